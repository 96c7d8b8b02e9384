#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "ipc/shm/heap.hpp"

namespace ipc::detail {

/// In front of the elements of a `Value` or an `Array`. Written once, before anybody else can see it.
/// If a process is killed: the elements are the users' own; nothing here changes.
struct ElementsHead {
  std::uint64_t tag;
  std::uint64_t element_size;
  std::uint64_t count;
};
inline constexpr std::size_t elements_head_size = shm::cache_line;
static_assert(sizeof(ElementsHead) <= elements_head_size && std::is_standard_layout_v<ElementsHead> &&
              std::is_trivially_destructible_v<ElementsHead>);

/// With the head. Throws `std::invalid_argument`.
inline std::size_t room_for_elements(std::size_t element_size, std::size_t count) {
  if (count > (std::size_t{1} << 62) / element_size) {
    throw std::invalid_argument("An array cannot have " + std::to_string(count) + " elements of " + std::to_string(element_size) +
                                " bytes.");
  }
  return elements_head_size + element_size * count;
}

/// Whether a block or part, as the heap gave it, has such elements, and room for as many as it says.
inline bool has_elements(const std::shared_ptr<std::byte>& block, std::uint64_t tag, std::size_t element_size) {
  const auto& head = *reinterpret_cast<const ElementsHead*>(block.get());
  return head.tag == tag && head.element_size == element_size &&
         head.count <= (shm::Heap::instance().capacity(block.get()) - elements_head_size) / element_size;
}

inline std::shared_ptr<std::byte> behind_head(const std::shared_ptr<std::byte>& block) { return {block, block.get() + elements_head_size}; }

}  // namespace ipc::detail
