#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/copy.hpp>
#include <ipc/detail/message.hpp>

namespace ipc::detail {

/// Where values are decoded from: bytes that somebody else wrote, so nothing in them is believed before it is checked.
/// Everything that runs past the end throws `EncodingError`. Does not own the bytes. One thread at a time.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes, std::span<Fd> fds = {}) noexcept
      : current_(bytes.data()), end_(bytes.data() + bytes.size()), fds_(fds) {}
  explicit Reader(Message& message) noexcept : Reader(message.bytes, message.fds) {}

  void bytes(void* out, std::size_t size) {
    if (size == 0) return;
    copy_bytes(out, take(size), size);
  }
  template <class T>
  T raw() {
    static_assert(std::is_trivially_copyable_v<T>);
    alignas(T) std::byte storage[sizeof(T)];  // T need not have a default constructor.
    std::memcpy(storage, take(sizeof(T)), sizeof(T));
    return *reinterpret_cast<T*>(storage);
  }
  /// The next `size` bytes where they lie.
  const std::byte* take(std::size_t size) {
    if (remaining() < size) fail_short(size);
    return std::exchange(current_, current_ + size);
  }
  /// A number of elements of which each needs at least `least` bytes: refused when more than the rest could hold, so
  /// that a hostile length never becomes an allocation.
  std::size_t count(std::size_t least) {
    const auto n = raw<std::uint64_t>();
    if (n > remaining() / (least == 0 ? 1 : least)) fail_count(n);
    return static_cast<std::size_t>(n);
  }
  /// The next descriptor; `EncodingError` when the message had fewer.
  Fd fd();
  std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - current_); }
  bool at_end() const noexcept { return current_ == end_; }

 private:
  [[noreturn]] void fail_short(std::size_t wanted) const;
  [[noreturn]] static void fail_count(std::uint64_t n);

  friend class Nesting;

  const std::byte* current_;
  const std::byte* end_;
  std::span<Fd> fds_;
  unsigned depth_ = 0;
};

}  // namespace ipc::detail
