#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <limits>
#include <memory>
#include <numeric>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/reference.hpp>
#include <ipc/detail/sequence_proxy.hpp>
#include <ipc/detail/typed_operation.hpp>

namespace ipc {

class Manager;

namespace detail {

template <class T, class Compare>
void sort_list(TypedCall& call) {
  Compare compare = callable_of<Compare>(call.arguments.at(0));
  auto& list = *call.list;
  std::vector<T> values;
  values.reserve(list.size());
  for (const Element& element : list) values.push_back(value_of<T>(element));
  std::vector<std::size_t> order(list.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return std::invoke(compare, values[a], values[b]); });
  std::vector<Element> sorted;
  sorted.reserve(list.size());
  for (const std::size_t place : order) sorted.push_back(std::move(list[place]));
  list = std::move(sorted);
}

/// Where the argument stands first; at the end when it does not.
template <class T>
std::size_t find_in_list(const TypedCall& call) {
  const T wanted = value_of<T>(call.arguments.at(0));
  const auto& list = *call.list;
  return static_cast<std::size_t>(
      std::find_if(list.begin(), list.end(), [&](const Element& element) { return value_of<T>(element) == wanted; }) - list.begin());
}

template <class T>
void index_in_list(TypedCall& call) {
  const std::size_t place = find_in_list<T>(call);
  if (place == call.list->size()) throw std::invalid_argument("index: the value is not in the list");
  call.result = std::make_unique<Element>(element_of(std::uint64_t{place}));
}

template <class T>
void remove_from_list(TypedCall& call) {
  const std::size_t place = find_in_list<T>(call);
  if (place == call.list->size()) throw std::invalid_argument("remove: the value is not in the list");
  call.list->erase(call.list->begin() + static_cast<std::ptrdiff_t>(place));
}

template <class T>
void count_in_list(TypedCall& call) {
  const T wanted = value_of<T>(call.arguments.at(0));
  const auto count = std::count_if(call.list->begin(), call.list->end(), [&](const Element& e) { return value_of<T>(e) == wanted; });
  call.result = std::make_unique<Element>(element_of(static_cast<std::uint64_t>(count)));
}

}  // namespace detail

/// A list that lives in a manager's server, made by `Manager::list`. Each call is one step that no other comes between, and one
/// round trip; what takes a function or compares elements runs on the server, which must be of the same build.
/// Indexes may be negative, and `std::out_of_range` is thrown for what is not there. All throw `ManagerLost` when the server
/// has ended, and `RemoteError` of the same standard type for what a function throws there.
/// A handle: see `detail::ProxyBase`.
template <class T>
class ListProxy : public detail::SequenceProxy<T> {
  using Op = detail::Op;
  using Request = detail::Request;

 public:
  void append(const T& value) const { insert(std::numeric_limits<std::int64_t>::max(), value); }
  void append(T&& value) const { insert(std::numeric_limits<std::int64_t>::max(), std::move(value)); }
  template <class Range>
  void extend(Range&& values) const {
    Request(this->reference(), Op::extend).template put_all<T>(std::forward<Range>(values)).send();
  }
  void extend(std::initializer_list<T> values) const { extend<std::initializer_list<T>&>(values); }
  /// Before the element at `index`; at the nearer end where there is none.
  void insert(std::int64_t index, const T& value) const { Request(this->reference(), Op::insert).raw(index).put(value).send(); }
  void insert(std::int64_t index, T&& value) const { Request(this->reference(), Op::insert).raw(index).put(std::move(value)).send(); }
  T pop(std::int64_t index = -1) const { return Request(this->reference(), Op::pop).raw(index).send().template take<T>(); }
  /// The first that is equal. Throws `std::invalid_argument` when there is none, as does `index`.
  void remove(const T& value) const { compare<&detail::remove_from_list<T>>(value).send(); }
  std::size_t index(const T& value) const { return number(compare<&detail::index_in_list<T>>(value)); }
  bool contains(const T& value) const { return count(value) != 0; }
  std::size_t count(const T& value) const { return number(compare<&detail::count_in_list<T>>(value)); }
  /// Equal ones keep their order.
  template <class Compare = std::less<>>
  void sort(Compare compare = {}) const {
    Request request(this->reference(), Op::typed);
    request.raw(detail::whole_sequence);
    detail::put_operation<&detail::sort_list<T, Compare>>(request, compare).send();
  }
  void reverse() const { Request(this->reference(), Op::reverse).send(); }
  void clear() const { Request(this->reference(), Op::clear).send(); }
  bool empty() const { return this->size() == 0; }

  static ListProxy ipc_decode(detail::Reader& reader) { return ListProxy(reader); }

 private:
  friend class Manager;
  explicit ListProxy(std::shared_ptr<detail::Reference> reference)
      : detail::SequenceProxy<T>(detail::ServedKind::list, std::move(reference)) {}
  explicit ListProxy(detail::Reader& reader) : detail::SequenceProxy<T>(detail::ServedKind::list, reader) {}

  /// A request that compares elements with a value. Made in place.
  template <detail::TypedOperation operation>
  struct Comparison {
    Comparison(const ListProxy& list, const T& value) : request(list.reference(), Op::typed) {
      request.raw(detail::whole_sequence);
      detail::put_operation<operation>(request, std::uint32_t{1}).put(value);
    }
    detail::Reply send() { return request.send(); }
    Request request;
  };
  template <detail::TypedOperation operation>
  Comparison<operation> compare(const T& value) const {
    return Comparison<operation>(*this, value);
  }
  template <class Comparison>
  static std::size_t number(Comparison comparison) {
    return static_cast<std::size_t>(comparison.send().template take<std::uint64_t>());
  }
};

}  // namespace ipc
