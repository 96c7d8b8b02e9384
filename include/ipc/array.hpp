#pragma once

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <ranges>
#include <span>
#include <string_view>
#include <typeinfo>
#include <utility>
#include <vector>

#include <ipc/detail/lock_handle.hpp>
#include <ipc/detail/named_elements.hpp>
#include <ipc/detail/shared_elements.hpp>
#include <ipc/rlock.hpp>

namespace ipc {

template <class T>
class Array;

namespace detail {

/// A range of values that an array can be made from; not another handle.
template <class R, class T>
concept ElementsFor = std::ranges::input_range<R> && std::convertible_to<std::ranges::range_reference_t<R>, T>;

}  // namespace detail

/// Elements in shared memory, zeroed or copied from a range, without a lock: whoever uses them from several threads or
/// processes sees to the order.
template <class T>
class RawArray {
 public:
  template <detail::IntegerLike Integer>
  explicit RawArray(Integer n) : elements_(tag(), sizeof(T), detail::checked_size(n)) {}
  template <class R>
  requires detail::ElementsFor<R, T>
  explicit RawArray(R&& range) : RawArray(elements_of(range), 0) {}
  RawArray(std::initializer_list<T> list) : RawArray(std::vector<T>(list), 0) {}

  T* data() const noexcept { return reinterpret_cast<T*>(elements_.data()); }
  std::size_t size() const noexcept { return elements_.count(); }
  /// Negative indexes count from the end. Throws `std::out_of_range`; a loop that has no time for that goes over `span()`.
  template <detail::IntegerLike Integer>
  T& operator[](Integer index) const {
    return data()[detail::resolve_index(index, size())];
  }
  std::span<T> span() const noexcept { return {data(), size()}; }

  /// Whether both are handles of the same memory.
  friend bool operator==(const RawArray&, const RawArray&) = default;

  void ipc_encode(detail::Writer& writer) const { elements_.encode(writer); }
  static RawArray ipc_decode(detail::Reader& reader) {
    return RawArray(detail::OfElements(), detail::SharedElements::decode(reader, tag(), sizeof(T)));
  }

 private:
  friend class Array<T>;
  RawArray(detail::OfElements, detail::SharedElements elements) noexcept : elements_(std::move(elements)) {}
  RawArray(const std::vector<T>& elements, int) : RawArray(elements.size()) { std::copy(elements.begin(), elements.end(), data()); }
  template <class R>
  static std::vector<T> elements_of(R& range) {
    std::vector<T> elements;
    for (auto&& x : range) elements.push_back(static_cast<T>(x));
    return elements;
  }
  static std::uint64_t tag() {
    detail::require_shareable<T>();
    return detail::elements_tag<RawArray<T>>();
  }

  detail::SharedElements elements_;
};

/// The elements of an array while the guard holds its lock: a contiguous range. Handles must live as for `ValueGuard`.
template <class T>
class ArrayGuard {
 public:
  ArrayGuard(const detail::LockHandle& lock, std::span<T> elements, std::shared_ptr<const void> kept = nullptr)
      : hold_(lock, std::move(kept)), elements_(elements) {}
  T* begin() const noexcept { return elements_.data(); }
  T* end() const noexcept { return elements_.data() + elements_.size(); }
  T* data() const noexcept { return elements_.data(); }
  std::size_t size() const noexcept { return elements_.size(); }
  T& operator[](std::size_t index) const noexcept { return elements_[index]; }
  /// As `Lock::recovered`: the last holder died, and the elements may be half changed.
  bool recovered() const { return hold_.recovered(); }

 private:
  detail::LockHold hold_;
  std::span<T> elements_;
};

/// An array that processes share, with a lock of its own or of others:
///
///     ipc::Array<double> xs(1000);
///     xs.set(-1, 1.5);
///     { auto a = xs.lock(); std::sort(a.begin(), a.end()); }
///
/// Any thread may use one handle at the same time as others.
template <class T>
class Array {
 public:
  /// `n` zeroed elements. Throws `std::invalid_argument`, `std::system_error`.
  template <detail::IntegerLike Integer>
  explicit Array(Integer n) : Array(RawArray<T>(n), RLock()) {}
  /// With a `Lock` or `RLock` that protects other things as well.
  template <detail::IntegerLike Integer>
  Array(Integer n, detail::LockHandle lock) : Array(RawArray<T>(n), std::move(lock)) {}
  template <class R>
  requires detail::ElementsFor<R, T>
  explicit Array(R&& range) : Array(RawArray<T>(range), RLock()) {}
  template <class R>
  requires detail::ElementsFor<R, T> Array(R&& range, detail::LockHandle lock) : Array(RawArray<T>(range), std::move(lock)) {}
  Array(std::initializer_list<T> list) : Array(RawArray<T>(list), RLock()) {}

  /// A named one for unrelated processes: see unlink.hpp. `n` zeroed elements, or those of a range.
  template <detail::IntegerLike Integer>
  static Array create(std::string_view name, Integer n) {
    return named(name, detail::NameUse::create, detail::checked_size(n), nullptr);
  }
  template <class R>
  requires detail::ElementsFor<R, T>
  static Array create(std::string_view name, R&& range) { return named(name, detail::NameUse::create, range); }
  static Array create(std::string_view name, std::initializer_list<T> list) { return named(name, detail::NameUse::create, list); }
  static Array open(std::string_view name) { return named(name, detail::NameUse::open, 0, nullptr); }
  template <detail::IntegerLike Integer>
  static Array open_or_create(std::string_view name, Integer n) {
    return named(name, detail::NameUse::open_or_create, detail::checked_size(n), nullptr);
  }
  template <class R>
  requires detail::ElementsFor<R, T>
  static Array open_or_create(std::string_view name, R&& range) { return named(name, detail::NameUse::open_or_create, range); }
  static Array open_or_create(std::string_view name, std::initializer_list<T> list) {
    return named(name, detail::NameUse::open_or_create, list);
  }

  std::size_t size() const noexcept { return raw_.size(); }
  /// Negative indexes count from the end. These take the lock, and throw `std::out_of_range`.
  T get(std::ptrdiff_t index) const {
    const std::lock_guard guard(lock_);
    return raw_[index];
  }
  void set(std::ptrdiff_t index, const T& value) const {
    const std::lock_guard guard(lock_);
    raw_[index] = value;
  }
  /// The element itself, without the lock.
  T& at(std::ptrdiff_t index) const { return raw_[index]; }
  ArrayGuard<T> lock() const& { return {lock_, raw_.span()}; }
  ArrayGuard<T> lock() const&& {
    auto kept = std::make_shared<const Array>(*this);
    return {lock_, raw_.span(), std::move(kept)};
  }
  const detail::LockHandle& get_lock() const noexcept { return lock_; }

  /// Whether both are handles of the same array.
  friend bool operator==(const Array& a, const Array& b) { return a.raw_ == b.raw_; }

  void ipc_encode(detail::Writer& writer) const {
    raw_.ipc_encode(writer);
    lock_.ipc_encode(writer);
  }
  static Array ipc_decode(detail::Reader& reader) {
    auto raw = RawArray<T>::ipc_decode(reader);
    return Array(std::move(raw), detail::LockHandle::ipc_decode(reader));
  }

 private:
  static Array named(std::string_view name, detail::NameUse use, std::size_t n, const T* initial) {
    auto [elements, lock] =
        detail::named_elements({name, use, typeid(Array), detail::type_name<Array>(), RawArray<T>::tag(), sizeof(T), n, initial});
    return Array(RawArray<T>(detail::OfElements(), std::move(elements)), std::move(lock));
  }
  template <class R>
  static Array named(std::string_view name, detail::NameUse use, R&& range) {
    const RawArray<T> copy(range);  // In one piece, whatever the range is (a vector<bool> included).
    return named(name, use, copy.size(), copy.data());
  }
  Array(RawArray<T> raw, detail::LockHandle lock) noexcept : raw_(std::move(raw)), lock_(std::move(lock)) {}

  RawArray<T> raw_;
  detail::LockHandle lock_;
};

}  // namespace ipc
