#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>

#include <ipc/detail/lock_handle.hpp>

/// What `Value` does for types whose atomics are lock-free.

namespace ipc::detail {

/// The integer that is as large.
template <std::size_t size>
struct WordOfSize;
template <>
struct WordOfSize<1> {
  using Type [[gnu::may_alias]] = std::uint8_t;
};
template <>
struct WordOfSize<2> {
  using Type [[gnu::may_alias]] = std::uint16_t;
};
template <>
struct WordOfSize<4> {
  using Type [[gnu::may_alias]] = std::uint32_t;
};
template <>
struct WordOfSize<8> {
  using Type [[gnu::may_alias]] = std::uint64_t;
};

/// A shared T as it was found, with every byte: whether it is so still is asked of its padding as well, which is not part of the
/// value, and which a copy of a T need not have. In shared memory a T is aligned as the word.
template <class T>
class FoundValue {
 public:
  explicit FoundValue(T& shared) noexcept
      : shared_(reinterpret_cast<Word*>(std::addressof(shared))), found_(__atomic_load_n(shared_, __ATOMIC_SEQ_CST)) {}
  T value() const noexcept { return std::bit_cast<T>(found_); }
  /// False when it was changed meanwhile; it is found anew then.
  bool replace(const T& by) noexcept {
    Word next;
    std::memcpy(&next, std::addressof(by), sizeof next);
    return __atomic_compare_exchange_n(shared_, &found_, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
  }

 private:
  using Word = typename WordOfSize<sizeof(T)>::Type;

  Word* shared_;
  Word found_;
};

/// Whether two are equal byte by byte but for their padding. (Where the compiler cannot tell which bytes that is, with it.)
template <class T>
bool same_bytes(T a, T b) noexcept {
#if __has_builtin(__builtin_clear_padding)
  __builtin_clear_padding(std::addressof(a));
  __builtin_clear_padding(std::addressof(b));
#endif
  return std::memcmp(std::addressof(a), std::addressof(b), sizeof(T)) == 0;
}

/// As that of `std::atomic_ref`, some of which find equal values different by their padding.
template <class T>
bool compare_exchange(T& shared, T& expected, T& desired) noexcept {
  if constexpr (std::has_unique_object_representations_v<T> || std::is_floating_point_v<T>)
    return std::atomic_ref<T>(shared).compare_exchange_strong(expected, desired);
  FoundValue<T> found(shared);
  do {
    const T value = found.value();
    if (!same_bytes(value, expected)) {
      std::memcpy(std::addressof(expected), std::addressof(value), sizeof(T));
      return false;
    }
  } while (!found.replace(desired));
  return true;
}

/// An `update` of such a value by this thread, for as long as its function runs. What that may call comes upon it here: an
/// `update` of the same value works on the copy that this one works on, as if there were no copy.
class UpdateInProgress {
 public:
  UpdateInProgress(const void* shared, void* copy) noexcept : shared_(shared), copy_(copy), outer_(innermost) { innermost = this; }
  UpdateInProgress(const UpdateInProgress&) = delete;
  UpdateInProgress& operator=(const UpdateInProgress&) = delete;
  ~UpdateInProgress() { innermost = outer_; }
  /// The copy that this thread works on, which has locked `lock`; nullptr for none.
  static void* copy_of(const void* shared, const LockHandle& lock) noexcept {
    for (const UpdateInProgress* at = innermost; at != nullptr; at = at->outer_) {
      // The updates that a forked child finds here are its parent's: it has locked only once.
      if (at->shared_ == shared) return is_locked_again(lock) ? at->copy_ : nullptr;
    }
    return nullptr;
  }

 private:
  static inline constinit thread_local const UpdateInProgress* innermost = nullptr;

  const void* shared_;
  void* copy_;
  const UpdateInProgress* outer_;
};

/// So often a function is run for one update at most.
inline constexpr int most_update_runs = 100'000;
[[noreturn]] void refuse_update();

}  // namespace ipc::detail
