#include <ipc/detail/shared_elements.hpp>

#include <new>
#include <string>

#include <ipc/detail/lock_free_value.hpp>
#include <ipc/error.hpp>

#include "ipc/shm/heap.hpp"
#include "ipc/sync/elements.hpp"

namespace ipc::detail {
namespace {

template <class Integer>
[[noreturn]] void refuse(Integer index, std::size_t size) {
  throw std::out_of_range("Index " + std::to_string(index) + " of an array of " + std::to_string(size) + " elements.");
}

}  // namespace

SharedElements::SharedElements(std::uint64_t tag, std::size_t element_size, std::size_t count) : count_(count) {
  data_ = behind_head(shm::Heap::instance().make({shm::Kind::data, room_for_elements(element_size, count), 0}, [&](std::byte* at) {
    new (at) ElementsHead{tag, element_size, count};
  }));
}

SharedElements::SharedElements(const std::shared_ptr<std::byte>& block) noexcept
    : data_(behind_head(block)), count_(reinterpret_cast<const ElementsHead*>(block.get())->count) {}

void SharedElements::encode(Writer& writer) const { shm::Heap::instance().encode(writer, data_.get() - elements_head_size); }

SharedElements SharedElements::decode(Reader& reader, std::uint64_t tag, std::size_t element_size) {
  const auto block = shm::Heap::instance().decode(reader, shm::Kind::data, elements_head_size);
  if (!has_elements(block, tag, element_size)) throw EncodingError("A shared value or array was decoded as one of another type.");
  return SharedElements(block);
}

void refuse_index(std::size_t index, std::size_t size) { refuse(index, size); }
void refuse_index(std::ptrdiff_t index, std::size_t size) { refuse(index, size); }

void refuse_update() {
  throw UsageError("The value has changed in each of " + std::to_string(most_update_runs) +
                   " runs of the function that updates it: does that change the value otherwise than through its argument?");
}

}  // namespace ipc::detail
