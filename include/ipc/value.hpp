#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include <ipc/detail/lock_free_value.hpp>
#include <ipc/detail/lock_handle.hpp>
#include <ipc/detail/named_elements.hpp>
#include <ipc/detail/shared_elements.hpp>
#include <ipc/rlock.hpp>

namespace ipc {

template <class T>
class Value;

/// A T in shared memory, without a lock: whoever uses it from several threads or processes sees to the order.
template <class T>
class RawValue {
 public:
  explicit RawValue(const T& initial = T{}) : elements_(tag(), sizeof(T), 1) { new (elements_.data()) T(initial); }
  T& value() const noexcept { return *std::launder(reinterpret_cast<T*>(elements_.data())); }

  /// Whether both are handles of the same memory.
  friend bool operator==(const RawValue&, const RawValue&) = default;

  void ipc_encode(detail::Writer& writer) const { elements_.encode(writer); }
  static RawValue ipc_decode(detail::Reader& reader) {
    return RawValue(detail::OfElements(), detail::SharedElements::decode(reader, tag(), sizeof(T)));
  }

 private:
  friend class Value<T>;
  RawValue(detail::OfElements, detail::SharedElements elements) noexcept : elements_(std::move(elements)) {}
  static std::uint64_t tag() {
    detail::require_shareable<T>();
    return detail::elements_tag<RawValue<T>>();
  }

  detail::SharedElements elements_;
};

/// Access to what a lock protects, while the guard lives. Any handle of the value must live as long, not just the one that it was
/// locked through; where that is given up (`make().lock()`), the guard keeps it.
template <class T>
class ValueGuard {
 public:
  ValueGuard(const detail::LockHandle& lock, T& value, std::shared_ptr<const void> kept = nullptr)
      : hold_(lock, std::move(kept)), value_(&value) {}
  T& operator*() const noexcept { return *value_; }
  T* operator->() const noexcept { return value_; }
  /// As `Lock::recovered`: the last holder died, and the value may be half changed.
  bool recovered() const { return hold_.recovered(); }

 private:
  detail::LockHold hold_;
  T* value_;
};

/// A T that processes share, with a lock of its own or of others:
///
///     ipc::Value<int> hits(0);
///     hits.update([](int& x) { ++x; });
///     { auto v = hits.lock(); *v += 1; }
///     hits.fetch_add(1);
///
/// The last kind takes no lock and exists for types whose atomics are lock-free only. It mixes with `get`, `set` and
/// `update`, but not with writes through a guard. When a process is killed inside `update` of such a type, the value is the
/// old or the new one; for other types see `ValueGuard::recovered`. Any thread may use one handle at the same time as others.
template <class T>
class Value {
  static constexpr bool lock_free = std::atomic_ref<T>::is_always_lock_free;

 public:
  explicit Value(const T& initial = T{}) : Value(initial, RLock()) {}
  /// With a `Lock` or `RLock` that protects other things as well.
  Value(const T& initial, detail::LockHandle lock) : raw_(initial), lock_(std::move(lock)) {}

  /// A named one for unrelated processes: see unlink.hpp.
  static Value create(std::string_view name, const T& initial = T{}) {
    return named(name, detail::NameUse::create, std::addressof(initial));
  }
  static Value open(std::string_view name) { return named(name, detail::NameUse::open, nullptr); }
  static Value open_or_create(std::string_view name, const T& initial = T{}) {
    return named(name, detail::NameUse::open_or_create, std::addressof(initial));
  }

  T get() const {
    const std::lock_guard guard(lock_);
    // Acquire and release, here and below, for those who use the atomic operations instead of the lock.
    if constexpr (lock_free)
      return atomic().load(std::memory_order_acquire);
    else
      return raw_.value();
  }
  void set(const T& value) const {
    const std::lock_guard guard(lock_);
    if constexpr (lock_free)
      atomic().store(value, std::memory_order_release);
    else
      raw_.value() = value;
  }
  /// Runs `f(T&)` under the lock and returns what it returns, a copy where that is a reference. For lock-free types `f` works on
  /// a copy, and is run again should an atomic operation have come between; it must not use such operations on the value itself,
  /// nor write to it through a guard: after 100 000 runs that is taken to be so, and `UsageError` thrown.
  template <class F>
  std::remove_cvref_t<std::invoke_result_t<F&, T&>> update(F f) const {
    using Result = std::remove_cvref_t<std::invoke_result_t<F&, T&>>;
    const std::lock_guard guard(lock_);
    T& value = raw_.value();
    if constexpr (!lock_free) {
      return std::invoke(f, value);
    } else {
      if (void* copy = detail::UpdateInProgress::copy_of(&value, lock_)) return std::invoke(f, *static_cast<T*>(copy));
      detail::FoundValue<T> found(value);
      for (int runs = 0; runs < detail::most_update_runs; ++runs) {
        T copy = found.value();
        const detail::UpdateInProgress inner(&value, &copy);
        if constexpr (std::is_void_v<Result>) {
          std::invoke(f, copy);
          if (found.replace(copy)) return;
        } else {
          Result result = std::invoke(f, copy);
          if (found.replace(copy)) return result;
        }
      }
      detail::refuse_update();
    }
  }
  ValueGuard<T> lock() const& { return {lock_, raw_.value()}; }
  ValueGuard<T> lock() const&& {
    auto kept = std::make_shared<const Value>(*this);
    return {lock_, raw_.value(), std::move(kept)};
  }
  const detail::LockHandle& get_lock() const noexcept { return lock_; }

  T exchange(T value) const requires lock_free { return atomic().exchange(value); }
  /// As `std::atomic`: on failure `expected` becomes what was found. Padding is not compared, where the compiler can clear it (GCC).
  bool compare_exchange(T& expected, T desired) const requires lock_free {
    return detail::compare_exchange(raw_.value(), expected, desired);
  }
  T fetch_add(T by) const requires(lock_free&& std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) { return atomic().fetch_add(by); }
  T fetch_sub(T by) const requires(lock_free&& std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) { return atomic().fetch_sub(by); }
  T fetch_and(T by) const requires(lock_free&& std::is_integral_v<T> && !std::is_same_v<T, bool>) { return atomic().fetch_and(by); }
  T fetch_or(T by) const requires(lock_free&& std::is_integral_v<T> && !std::is_same_v<T, bool>) { return atomic().fetch_or(by); }
  T fetch_xor(T by) const requires(lock_free&& std::is_integral_v<T> && !std::is_same_v<T, bool>) { return atomic().fetch_xor(by); }

  /// Whether both are handles of the same value.
  friend bool operator==(const Value& a, const Value& b) { return a.raw_ == b.raw_; }

  void ipc_encode(detail::Writer& writer) const {
    raw_.ipc_encode(writer);
    lock_.ipc_encode(writer);
  }
  static Value ipc_decode(detail::Reader& reader) {
    auto raw = RawValue<T>::ipc_decode(reader);
    return Value(std::move(raw), detail::LockHandle::ipc_decode(reader));
  }

 private:
  static Value named(std::string_view name, detail::NameUse use, const T* initial) {
    auto [elements, lock] =
        detail::named_elements({name, use, typeid(Value), detail::type_name<Value>(), RawValue<T>::tag(), sizeof(T), 1, initial});
    return Value(RawValue<T>(detail::OfElements(), std::move(elements)), std::move(lock));
  }
  Value(RawValue<T> raw, detail::LockHandle lock) noexcept : raw_(std::move(raw)), lock_(std::move(lock)) {}
  std::atomic_ref<T> atomic() const noexcept { return std::atomic_ref<T>(raw_.value()); }

  RawValue<T> raw_;
  detail::LockHandle lock_;
};

}  // namespace ipc
