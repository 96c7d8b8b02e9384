#pragma once

#include <concepts>
#include <cstddef>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/typed_operation.hpp>

namespace ipc {

class Manager;

namespace detail {

/// A member of `T`, or a function that takes one, with the object given.
template <class T, class F>
struct BoundTo {
  T* object;
  F* f;
  template <class... Args>
  requires std::invocable<F&, T&, Args...>
  decltype(auto) operator()(Args&&... args) const { return std::invoke(*f, *object, std::forward<Args>(args)...); }
};

template <class T, class... Args>
struct Construct {
  template <class... Given>
  requires std::constructible_from<T, Given...> std::shared_ptr<void>
  operator()(Given&&... given) const { return std::make_shared<T>(std::forward<Given>(given)...); }
};

template <class... Args, std::size_t... I>
std::tuple<Args...> arguments_of([[maybe_unused]] const TypedCall& call, [[maybe_unused]] std::size_t from, std::index_sequence<I...>) {
  return std::tuple<Args...>{value_of<Args>(call.arguments.at(from + I))...};
}

template <class T, class... Args>
void make_own_object(TypedCall& call) {
  auto args = arguments_of<Args...>(call, 0, std::index_sequence_for<Args...>());
  Construct<T> construct;
  *call.object = Call<Construct<T>, Args...>()(construct, args);
}

template <class T, class F, class... Args>
void call_own_object(TypedCall& call) {
  F f = callable_of<F>(call.arguments.at(0));
  auto args = arguments_of<Args...>(call, 1, std::index_sequence_for<Args...>());
  BoundTo<T, F> bound{static_cast<T*>(call.object->get()), &f};
  give(call, [&]() -> decltype(auto) { return Call<BoundTo<T, F>, Args...>()(bound, args); });
}

/// What a call on a managed object gives.
template <class T, class F, class... Args>
using OwnResult = typename ResultOf<BoundTo<T, std::decay_t<F>>, SentAs<Args>...>::type;

}  // namespace detail

/// An object of any class in a manager's server, made by `Manager::object`: what is called runs there, one call at a time for
/// the whole manager. Arguments and results travel as values. A call that does not return stops the manager.
/// For the rest see `ListProxy`.
template <class T>
class ObjectProxy : public detail::ProxyBase {
 public:
  /// `counter.call(&Counter::add, 3)`; also functions `R(T&, …)` and lambdas that capture nothing.
  template <class F, class... Args>
  detail::OwnResult<T, F, Args...> call(const F& f, Args&&... args) const {
    detail::Request request(reference(), detail::Op::typed);
    detail::put_operation<&detail::call_own_object<T, std::decay_t<F>, detail::SentAs<Args>...>>(request, f, sizeof...(Args));
    (request.put(std::forward<Args>(args)), ...);
    return detail::take_result<detail::OwnResult<T, F, Args...>>(request.send());
  }
  /// A copy of the object, of a class that can be sent.
  T get_value() const {
    return call([](const T& object) { return object; });
  }

  static ObjectProxy ipc_decode(detail::Reader& reader) { return ObjectProxy(reader); }

 private:
  friend class Manager;
  explicit ObjectProxy(std::shared_ptr<detail::Reference> reference)
      : ProxyBase(detail::ServedKind::object, detail::type_tag<T>(), std::move(reference)) {}
  explicit ObjectProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::object, detail::type_tag<T>(), reader) {}
};

}  // namespace ipc
