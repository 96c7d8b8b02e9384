#include <ipc/detail/named_elements.hpp>
#include <ipc/detail/shared_elements.hpp>

#include <cstring>
#include <new>

#include <ipc/error.hpp>

#include "ipc/shm/heap.hpp"
#include "ipc/sync/lock.hpp"

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

std::size_t room_for(std::size_t element_size, std::size_t count) {
  if (count > (std::size_t{1} << 62) / element_size) throw std::bad_array_new_length();
  return head_size + element_size * count;
}

bool is_of(const std::shared_ptr<std::byte>& block, std::uint64_t tag, std::size_t element_size) {
  const auto& head = *reinterpret_cast<const Head*>(block.get());
  return head.tag == tag && head.element_size == element_size &&
         head.count <= (shm::Heap::instance().capacity(block.get()) - head_size) / element_size;
}

}  // namespace

SharedElements::SharedElements(std::uint64_t tag, std::size_t element_size, std::size_t count) {
  data_ = behind_head(shm::Heap::instance().make({shm::Kind::data, room_for(element_size, count), 0}, [&](std::byte* at) {
    new (at) Head{tag, element_size, count};
  }));
}

std::size_t SharedElements::count() const noexcept { return head_of(data_.get()).count; }

void SharedElements::encode(Writer& writer) const { shm::Heap::instance().encode(writer, data_.get() - head_size); }

SharedElements SharedElements::decode(Reader& reader, std::uint64_t tag, std::size_t element_size) {
  const auto block = shm::Heap::instance().decode(reader, shm::Kind::data, head_size);
  if (!is_of(block, tag, element_size)) throw EncodingError("A shared value or array was decoded as one of another type.");
  return SharedElements(behind_head(block));
}

NamedElements named_elements(const NamedElementsRequest& request) {
  using sync::LockState;
  const std::size_t size = room_for(request.element_size, request.count);
  const auto object = shm::Heap::instance().named(
      {shm::Name(request.name),
       request.use,
       type_tag_of(request.object),
       request.object_name,
       {{{LockState::kind, sizeof(LockState), LockState::mutexes}, sizeof(LockState)}, {{shm::Kind::data, size, 0}, head_size}},
       [&](std::span<std::byte* const> at) {
         new (at[0]) LockState(true);
         new (at[1]) Head{request.element_tag, request.element_size, request.count};
         if (request.initial == nullptr) return;
         std::memcpy(at[1] + head_size, request.initial, size - head_size);
       }});
  const auto& lock = object.parts[0];
  const auto& block = object.parts[1];
  if (!is_of(block, request.element_tag, request.element_size)) {
    throw UsageError("The " + request.object_name + " named \"" + std::string(request.name) + "\" has elements of another size.");
  }
  NamedElements named{SharedElements(behind_head(block)), LockHandle({lock, reinterpret_cast<LockState*>(lock.get())})};
  if (request.use == NameUse::open_or_create && named.elements.count() != request.count) {
    throw UsageError("The " + request.object_name + " named \"" + std::string(request.name) + "\" has " +
                     std::to_string(named.elements.count()) + " elements, not " + std::to_string(request.count) + ".");
  }
  return named;
}

}  // namespace ipc::detail
