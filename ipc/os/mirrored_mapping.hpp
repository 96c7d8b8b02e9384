#pragma once

#include <cstddef>
#include <utility>

namespace ipc::os {

/// The same bytes of a file mapped twice, one copy behind the other, so that what wraps at the end of a ring is
/// contiguous: `data()[i]` and `data()[i + size()]` are one byte. MAP_SHARED; move-only; inherited by fork.
class MirroredMapping {
 public:
  MirroredMapping() noexcept = default;
  /// Maps `size` bytes of `fd` from `offset`, both multiples of the page size. Throws `std::system_error`.
  MirroredMapping(int fd, std::size_t size, std::size_t offset);
  MirroredMapping(MirroredMapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MirroredMapping& operator=(MirroredMapping&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  MirroredMapping(const MirroredMapping&) = delete;
  MirroredMapping& operator=(const MirroredMapping&) = delete;
  ~MirroredMapping();

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ipc::os
