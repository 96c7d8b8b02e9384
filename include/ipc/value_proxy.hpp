#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include <ipc/detail/proxy_guard.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/sequence_proxy.hpp>
#include <ipc/detail/typed_operation.hpp>
#include <ipc/error.hpp>
#include <ipc/sync_proxies.hpp>

namespace ipc {

class Manager;
template <class T>
class ValueProxy;
template <class T>
class ValueProxyGuard;
template <class T>
class ArrayProxy;
template <class T>
class ArrayProxyGuard;

namespace detail {

[[noreturn]] void fail_negative_size();

template <class T>
void exchange_value(TypedCall& call) {
  call.result = std::make_unique<Element>(std::move(*call.element));
  *call.element = std::move(call.arguments.at(0));
}

/// The result is what was there.
template <class T>
void compare_exchange_value(TypedCall& call) {
  T found = value_of<T>(*call.element);
  const bool equal = found == value_of<T>(call.arguments.at(0));
  call.result = std::make_unique<Element>(element_of(std::pair<bool, T>(equal, std::move(found))));
  if (equal) *call.element = std::move(call.arguments.at(1));
}

/// The result is what was there.
template <class T, class Operation>
void combine_value(TypedCall& call) {
  const T before = value_of<T>(*call.element);
  *call.element = element_of(static_cast<T>(Operation()(before, value_of<T>(call.arguments.at(0)))));
  call.result = std::make_unique<Element>(element_of(before));
}

/// All of an array, by as many others.
template <class T>
void replace_elements(TypedCall& call) {
  if (call.arguments.size() != call.list->size()) throw EncodingError("An array keeps its size.");
  std::swap(*call.list, call.arguments);
}

}  // namespace detail

/// Access to a managed value while its lock is held.
template <class T>
class ValueProxyGuard : public detail::ProxyGuard<ValueProxy<T>, T> {
 public:
  using detail::ProxyGuard<ValueProxy<T>, T>::ProxyGuard;
  T& operator*() const noexcept { return this->content(); }
  T* operator->() const noexcept { return std::addressof(this->content()); }
};

/// A value of any sendable type in a manager's server, made by `Manager::Value`. For the rest see `ListProxy`.
template <class T>
class ValueProxy : public detail::ProxyBase {
  using Op = detail::Op;
  using Request = detail::Request;

 public:
  T get() const { return Request(reference(), Op::get).may_be_locked().send().template take<T>(); }
  T get_value() const { return get(); }
  void set(const T& value) const { Request(reference(), Op::set).may_be_locked().put(value).send(); }
  void set(T&& value) const { Request(reference(), Op::set).may_be_locked().put(std::move(value)).send(); }
  /// Runs `f(T&)` on the server and returns what it returns. When it throws, the value is as before.
  template <class F>
  detail::UpdateResult<F, T> update(const F& f) const {
    Request request(reference(), Op::typed);
    request.may_be_locked();
    return detail::take_result<detail::UpdateResult<F, T>>(
        detail::put_operation<&detail::update_element<T, std::decay_t<F>>>(request, f).send());
  }
  T exchange(const T& value) const {
    Request request(reference(), Op::typed);
    request.may_be_locked();
    return detail::put_operation<&detail::exchange_value<T>>(request, std::uint32_t{1}).put(value).send().template take<T>();
  }
  /// As `std::atomic`: on failure `expected` becomes what was found.
  bool compare_exchange(T& expected, const T& desired) const {
    Request request(reference(), Op::typed);
    request.may_be_locked();
    detail::put_operation<&detail::compare_exchange_value<T>>(request, std::uint32_t{2}).put(std::as_const(expected)).put(desired);
    auto [equal, found] = request.send().template take<std::pair<bool, T>>();
    if (!equal) expected = std::move(found);
    return equal;
  }
  /// What was there before.
  T fetch_add(const T& by) const { return combine<std::plus<>>(by); }
  T fetch_sub(const T& by) const { return combine<std::minus<>>(by); }
  T fetch_and(const T& by) const { return combine<std::bit_and<>>(by); }
  T fetch_or(const T& by) const { return combine<std::bit_or<>>(by); }
  T fetch_xor(const T& by) const { return combine<std::bit_xor<>>(by); }

  /// As of `Value`: while a thread of a client holds it, the calls of all others wait. When the client dies, the next one gets it.
  const RLockProxy& get_lock() const { return own_lock_->of(*this); }
  /// `{ auto v = hits.lock(); *v += 1; }`: see `detail::ProxyGuard`.
  ValueProxyGuard<T> lock() const { return ValueProxyGuard<T>(*this); }

  static ValueProxy ipc_decode(detail::Reader& reader) { return ValueProxy(reader); }

 private:
  friend class Manager;
  friend class detail::ProxyGuard<ValueProxy, T>;
  explicit ValueProxy(std::shared_ptr<detail::Reference> reference)
      : ProxyBase(detail::ServedKind::value, detail::type_tag<T>(), std::move(reference)) {}
  explicit ValueProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::value, detail::type_tag<T>(), reader) {}

  void store(const T& value) const { set(value); }
  template <class Operation>
  T combine(const T& by) const {
    Request request(reference(), Op::typed);
    request.may_be_locked();
    return detail::put_operation<&detail::combine_value<T, Operation>>(request, std::uint32_t{1}).put(by).send().template take<T>();
  }

  std::shared_ptr<detail::OwnLockProxy> own_lock_ = std::make_shared<detail::OwnLockProxy>();
};

/// The elements of a managed array while its lock is held.
template <class T>
class ArrayProxyGuard : public detail::ProxyGuard<ArrayProxy<T>, std::vector<T>> {
 public:
  using detail::ProxyGuard<ArrayProxy<T>, std::vector<T>>::ProxyGuard;
  auto begin() const noexcept { return this->content().begin(); }
  auto end() const noexcept { return this->content().end(); }
  T* data() const noexcept { return this->content().data(); }
  std::size_t size() const noexcept { return this->content().size(); }
  decltype(auto) operator[](std::size_t index) const noexcept { return this->content()[index]; }
};

/// A fixed number of values in a manager's server, made by `Manager::Array`. For the rest see `ListProxy`.
template <class T>
class ArrayProxy : public detail::SequenceProxy<T> {
 public:
  /// As of `ValueProxy`.
  const RLockProxy& get_lock() const { return own_lock_->of(*this); }
  /// `{ auto a = xs.lock(); std::sort(a.begin(), a.end()); }`: see `detail::ProxyGuard`.
  ArrayProxyGuard<T> lock() const { return ArrayProxyGuard<T>(*this); }
  static ArrayProxy ipc_decode(detail::Reader& reader) { return ArrayProxy(reader); }

 private:
  friend class Manager;
  friend class detail::ProxyGuard<ArrayProxy, std::vector<T>>;
  explicit ArrayProxy(std::shared_ptr<detail::Reference> reference)
      : detail::SequenceProxy<T>(detail::ServedKind::array, std::move(reference)) {}
  explicit ArrayProxy(detail::Reader& reader) : detail::SequenceProxy<T>(detail::ServedKind::array, reader) {}
  void store(const std::vector<T>& elements) const {
    detail::Request request(this->reference(), detail::Op::typed);
    request.raw(detail::whole_sequence);
    detail::put_operation<&detail::replace_elements<T>>(request, static_cast<std::uint32_t>(elements.size()));
    request.template put_all<T>(elements).send();
  }

  std::shared_ptr<detail::OwnLockProxy> own_lock_ = std::make_shared<detail::OwnLockProxy>();
};

}  // namespace ipc
