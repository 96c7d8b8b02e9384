#include <ipc/shared_memory.hpp>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

#include "ipc/os/mapping.hpp"
#include "ipc/os/memfd.hpp"
#include "ipc/os/random.hpp"
#include "ipc/shm/created_name.hpp"
#include "ipc/shm/names.hpp"

namespace ipc {
namespace shm {

/// The file behind the handles of this process. `made` in the process that made it.
class NamedMemory {
 public:
  NamedMemory(Name name, Fd file, bool made) : name_(std::move(name)), file_(std::move(file)), facts_(os::file_facts(file_.get())) {
    if (made) name_here_.emplace(name_, file_.get(), CreatedName::AtEnd::goes);
  }
  const Name& name() const noexcept { return name_; }
  int fd() const noexcept { return file_.get(); }
  Fd duplicate() const { return file_.duplicate(); }
  std::size_t size() const noexcept { return facts_.size; }
  os::FileId id() const noexcept { return facts_.id; }

 private:
  Name name_;
  Fd file_;
  os::FileFacts facts_;
  std::optional<CreatedName> name_here_;
};

}  // namespace shm

namespace {

std::string automatic_name() {
  std::uint32_t number = 0;
  os::fill_random(std::as_writable_bytes(std::span(&number, 1)));
  char text[16];
  std::snprintf(text, sizeof text, "psm_%08x", static_cast<unsigned>(number));
  return text;
}

std::shared_ptr<shm::NamedMemory> make_memory(std::string_view text, std::size_t size,
                                              const std::function<void(std::span<std::byte>)>& fill) {
  const auto name = shm::Name::of_memory(text);
  Fd file = shm::create_named(name, size, [&](const Fd& fd) {
    if (!fill) return;
    const os::Mapping bytes(fd.get(), size);
    fill({bytes.data(), size});
  });
  return std::make_shared<shm::NamedMemory>(name, std::move(file), true);
}

}  // namespace

SharedMemory::SharedMemory(std::shared_ptr<shm::NamedMemory> memory)
    : memory_(std::move(memory)), bytes_(std::make_shared<os::Mapping>(memory_->fd(), memory_->size())) {}

SharedMemory SharedMemory::create(std::size_t size, std::string_view name) { return create_filled(size, name, {}); }

SharedMemory SharedMemory::create_filled(std::size_t size, std::string_view name, const std::function<void(std::span<std::byte>)>& fill) {
  if (size == 0 || size > static_cast<std::size_t>(std::numeric_limits<std::ptrdiff_t>::max())) {
    throw std::invalid_argument("Shared memory needs a size of one byte at least, and less than half of all there can be.");
  }
  if (!name.empty()) return SharedMemory(make_memory(name, size, fill));
  for (;;) {
    try {
      return SharedMemory(make_memory(automatic_name(), size, fill));
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::file_exists) throw;
    }
  }
}

SharedMemory SharedMemory::open(std::string_view text) {
  const auto name = shm::Name::of_memory(text);
  auto memory = std::make_shared<shm::NamedMemory>(name, shm::open_named(name), false);
  if (memory->size() == 0)
    throw std::system_error(EAGAIN, std::generic_category(), "shared memory \"" + name.text() + "\", still without a size");
  return SharedMemory(std::move(memory));
}

std::span<std::byte> SharedMemory::buf() const {
  if (bytes_ == nullptr) throw UsageError("This handle of the shared memory \"" + name() + "\" has been closed.");
  return {bytes_->data(), bytes_->size()};
}
std::size_t SharedMemory::size() const noexcept { return memory_->size(); }
const std::string& SharedMemory::name() const noexcept { return memory_->name().text(); }
void SharedMemory::close() const noexcept { bytes_.reset(); }
bool SharedMemory::is_same(const SharedMemory& other) const noexcept { return memory_->id() == other.memory_->id(); }

void SharedMemory::unlink() const {
  if (shm::remove_named(memory_->name(), memory_->fd())) return;
  throw std::system_error(ENOENT, std::generic_category(), "shared memory named \"" + name() + "\"");
}

void SharedMemory::ipc_encode(detail::Writer& writer) const {
  writer.raw(static_cast<std::uint32_t>(name().size()));
  writer.bytes(name().data(), name().size());
  writer.fd(memory_->duplicate());
}

SharedMemory SharedMemory::ipc_decode(detail::Reader& reader) {
  const auto length = reader.raw<std::uint32_t>();
  std::string text;
  Fd fd;
  try {
    text.assign(reinterpret_cast<const char*>(reader.take(length)), length);
    auto memory = std::make_shared<shm::NamedMemory>(shm::Name::of_memory(text), reader.fd(), false);
    if (memory->size() == 0) throw EncodingError("Shared memory came with a descriptor that is none.");
    return SharedMemory(std::move(memory));
  } catch (const std::invalid_argument&) {
    throw EncodingError("This is no shared memory: it was sent as another type, or damaged.");
  } catch (const std::system_error&) {
    throw EncodingError("Shared memory came with a descriptor that is none.");
  }
}

}  // namespace ipc
