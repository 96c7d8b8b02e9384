#include <ipc/detail/named_elements.hpp>

#include <cstring>
#include <new>
#include <span>
#include <string>

#include <ipc/error.hpp>

#include "ipc/shm/heap.hpp"
#include "ipc/sync/elements.hpp"
#include "ipc/sync/lock.hpp"

namespace ipc::detail {

NamedElements named_elements(const NamedElementsRequest& request) {
  using sync::LockState;
  const std::size_t size = room_for_elements(request.element_size, request.count);
  const auto object = shm::Heap::instance().named(
      {shm::Name(request.name),
       request.use,
       type_tag_of(request.object),
       request.object_name,
       {{{LockState::kind, sizeof(LockState), LockState::mutexes}, sizeof(LockState)}, {{shm::Kind::data, size, 0}, elements_head_size}},
       [&](std::span<std::byte* const> at) {
         new (at[0]) LockState(true);
         new (at[1]) ElementsHead{request.element_tag, request.element_size, request.count};
         if (request.initial == nullptr) return;
         std::memcpy(at[1] + elements_head_size, request.initial, size - elements_head_size);
       }});
  const auto& lock = object.parts[0];
  const auto& block = object.parts[1];
  if (!has_elements(block, request.element_tag, request.element_size)) {
    throw UsageError("The " + request.object_name + " named \"" + std::string(request.name) + "\" has elements of another size.");
  }
  NamedElements named{SharedElements(block), LockHandle({lock, reinterpret_cast<LockState*>(lock.get())})};
  if (request.use == NameUse::open_or_create && named.elements.count() != request.count) {
    throw UsageError("The " + request.object_name + " named \"" + std::string(request.name) + "\" has " +
                     std::to_string(named.elements.count()) + " elements, not " + std::to_string(request.count) + ".");
  }
  return named;
}

}  // namespace ipc::detail
