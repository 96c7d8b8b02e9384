#pragma once

#include <cstddef>
#include <utility>

namespace ipc::os {

/// The bytes of a file in this process's memory, shared with everybody who maps it (MAP_SHARED); unmapped by the
/// destructor. The descriptor may be closed afterwards. Move-only; inherited by fork.
class Mapping {
 public:
  Mapping() noexcept = default;
  /// Maps `size` bytes of `fd` from `offset` (a multiple of the page size). Throws `std::system_error`.
  Mapping(int fd, std::size_t size, bool writable = true, std::size_t offset = 0);
  Mapping(Mapping&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept {
    if (this != &other) {
      reset();
      data_ = std::exchange(other.data_, nullptr);
      size_ = std::exchange(other.size_, 0);
    }
    return *this;
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { reset(); }

  std::byte* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  explicit operator bool() const noexcept { return data_ != nullptr; }
  /// Unmaps now.
  void reset() noexcept;
  /// Gives the pages in [offset, offset + size) back to the kernel; they read as zeros afterwards, in every process.
  /// Whole pages only. Returns false where the kernel cannot (then nothing has changed).
  bool punch(std::size_t offset, std::size_t size) const noexcept;

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ipc::os
