#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/copy.hpp>
#include <ipc/detail/message.hpp>

namespace ipc::detail {

/// Somebody who has more room than the memory that a writer began in.
class LargerRoom {
 public:
  LargerRoom() = default;
  LargerRoom(LargerRoom&&) = default;
  LargerRoom& operator=(LargerRoom&&) = default;
  virtual ~LargerRoom() = default;
  /// At least `wanted` bytes, or nothing. What was given out before stays readable until the writer is done with.
  virtual std::span<std::byte> larger_room(std::size_t wanted) = 0;
};

/// Where values are encoded: a growing buffer that starts in memory the caller lends (a ring's free span, a buffer that
/// is used again), goes on in larger room if there is some, and moves to the heap only when that is too small; and the
/// descriptors that go along. One thread at a time.
class Writer {
 public:
  Writer() noexcept = default;
  /// Starts in `scratch`, which must outlive the writer or its next `clear`.
  explicit Writer(std::span<std::byte> scratch, LargerRoom* larger = nullptr) noexcept
      : begin_(scratch.data()), current_(begin_), end_(begin_ + scratch.size()), larger_(larger) {}
  /// As above, in memory that processes share. `witness` is a byte that is zero in processes forked from this one: they must
  /// not write there.
  Writer(std::span<std::byte> scratch, LargerRoom* larger, const std::byte& witness) noexcept : Writer(scratch, larger) {
    witness_ = &witness;
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
  ~Writer() = default;

  void bytes(const void* data, std::size_t size) {
    if (size == 0) return;
    copy_bytes(extend(size), data, size);
  }
  template <class T>
  void raw(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(extend(sizeof(T)), &value, sizeof(T));
  }
  /// Room for `size` more bytes, to be filled by the caller before the next call.
  std::byte* extend(std::size_t size) {
    if (static_cast<std::size_t>(end_ - current_) < size) grow(size);
    return std::exchange(current_, current_ + size);
  }
  /// Sends a descriptor along; the reader takes them in the same order.
  void fd(Fd fd) { fds_.push_back(std::move(fd)); }

  /// Whether this is a copy in a forked process, which has no part in the memory that the writer began in.
  bool forked() const noexcept { return witness_ != nullptr && *witness_ == std::byte{0}; }
  /// To be called between what the user's code did and the writing of what came of it: such a copy's process ends here.
  void end_if_forked() const noexcept {
    if (forked()) end_forked_copy();
  }

  std::span<const std::byte> view() const noexcept { return {begin_, current_}; }
  std::size_t size() const noexcept { return static_cast<std::size_t>(current_ - begin_); }
  /// What was written at `offset`, to be patched: a length known only later.
  std::byte* at(std::size_t offset) noexcept { return begin_ + offset; }
  std::vector<Fd>& fds() noexcept { return fds_; }
  const std::vector<Fd>& fds() const noexcept { return fds_; }
  /// True when the bytes are no longer in the scratch memory.
  bool on_heap() const noexcept { return heap_ != nullptr && begin_ == heap_.get(); }
  /// Forgets what was written, keeps the heap buffer for the next use.
  void clear() noexcept;
  /// Takes back what was written after the writer had `size` bytes and `fd_count` descriptors.
  void truncate(std::size_t size, std::size_t fd_count) noexcept;
  /// The heap buffer, whose first `size()` bytes were written; the writer is empty afterwards. Only if `on_heap()`.
  std::unique_ptr<std::byte[]> release_heap() noexcept;
  /// Everything, as a message of its own; the writer is cleared.
  Message take();

 private:
  void grow(std::size_t size);
  [[noreturn]] static void end_forked_copy() noexcept;

  std::byte* begin_ = nullptr;
  std::byte* current_ = nullptr;
  std::byte* end_ = nullptr;
  LargerRoom* larger_ = nullptr;
  const std::byte* witness_ = nullptr;
  std::unique_ptr<std::byte[]> heap_;
  std::size_t heap_size_ = 0;
  std::vector<Fd> fds_;
  friend class Nesting;
  unsigned depth_ = 0;
};

}  // namespace ipc::detail
