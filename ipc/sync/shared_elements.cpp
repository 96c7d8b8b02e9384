#include <ipc/detail/shared_elements.hpp>

#include <new>

#include <ipc/error.hpp>

#include "ipc/shm/heap.hpp"

namespace ipc::detail {
namespace {

/// In front of the elements. Written once, before anybody else can see it.
/// If a process is killed: the elements are the users' own; nothing here changes.
struct Head {
  std::uint64_t tag;
  std::uint64_t element_size;
  std::uint64_t count;
};
constexpr std::size_t head_size = shm::cache_line;
static_assert(sizeof(Head) <= head_size && std::is_standard_layout_v<Head> && std::is_trivially_destructible_v<Head>);

const Head& head_of(const std::byte* data) noexcept { return *reinterpret_cast<const Head*>(data - head_size); }

std::shared_ptr<std::byte> behind_head(const std::shared_ptr<std::byte>& block) { return {block, block.get() + head_size}; }

}  // namespace

SharedElements::SharedElements(std::uint64_t tag, std::size_t element_size, std::size_t count) {
  if (count > (std::size_t{1} << 62) / element_size) throw std::bad_array_new_length();
  data_ = behind_head(shm::Heap::instance().make({shm::Kind::data, head_size + element_size * count, 0}, [&](std::byte* at) {
    new (at) Head{tag, element_size, count};
  }));
}

std::size_t SharedElements::count() const noexcept { return head_of(data_.get()).count; }

void SharedElements::encode(Writer& writer) const { shm::Heap::instance().encode(writer, data_.get() - head_size); }

SharedElements SharedElements::decode(Reader& reader, std::uint64_t tag, std::size_t element_size) {
  auto& heap = shm::Heap::instance();
  const auto block = heap.decode(reader, shm::Kind::data, head_size);
  auto data = behind_head(block);
  const Head& head = head_of(data.get());
  if (head.tag != tag || head.element_size != element_size || head.count > (heap.capacity(block.get()) - head_size) / element_size) {
    throw EncodingError("A shared value or array was decoded as one of another type.");
  }
  return SharedElements(std::move(data));
}

}  // namespace ipc::detail
