#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/cursor_iterator.hpp>
#include <ipc/detail/proxy_item.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/typed_operation.hpp>

namespace ipc::detail {

/// Goes by index, so that it sees what is appended meanwhile.
template <class T>
struct SequenceCursor {
  using value_type = T;
  std::optional<T> next() {
    auto reply = Request(*sequence, Op::get).may_be_locked().raw(index).may_miss().send();
    if (!reply.done()) return std::nullopt;
    ++index;
    return reply.template take<T>();
  }
  std::shared_ptr<Reference> sequence = nullptr;
  std::int64_t index = 0;
};

/// Instead of an index: the operation is about all elements.
inline constexpr std::int64_t whole_sequence = std::numeric_limits<std::int64_t>::min();

/// What the proxies of lists and arrays have in common: elements that have places.
template <class T>
class SequenceProxy : public ProxyBase {
 public:
  using value_type = T;

  /// One element, to be read or written when it is used.
  using Item = ProxyItem<SequenceProxy, std::int64_t, T>;

  std::size_t size() const { return static_cast<std::size_t>(Request(reference(), Op::size).send().in().template raw<std::uint64_t>()); }
  T get(std::int64_t index) const { return Request(reference(), Op::get).may_be_locked().raw(index).send().template take<T>(); }
  T at(std::int64_t index) const { return get(index); }
  void set(std::int64_t index, const T& value) const { Request(reference(), Op::set).may_be_locked().raw(index).put(value).send(); }
  void set(std::int64_t index, T&& value) const { Request(reference(), Op::set).may_be_locked().raw(index).put(std::move(value)).send(); }
  Item operator[](std::int64_t index) const { return Item(*this, index); }
  /// The elements from `begin` to before `end`, as far as there are any.
  std::vector<T> slice(std::int64_t begin, std::int64_t end = std::numeric_limits<std::int64_t>::max()) const {
    return Request(reference(), Op::slice).may_be_locked().raw(begin).raw(end).send().template take_all<T>();
  }
  std::vector<T> to_vector() const { return slice(0); }
  /// `for (T element : list)`: asks for each element when its turn has come, so it sees what others change and append meanwhile.
  /// What is only to be read is had at once by `to_vector()`.
  using Iterator = CursorIterator<SequenceCursor<T>>;
  Iterator begin() const { return Iterator({shared_reference()}); }
  Iterator end() const { return {}; }
  std::vector<T> get_value() const { return to_vector(); }
  /// Runs `f(T&)` on the element, on the server, and returns what it returns. When it throws, the element is as before.
  template <class F>
  UpdateResult<F, T> update(std::int64_t index, const F& f) const {
    Request request(reference(), Op::typed);
    request.may_be_locked().raw(index);
    return take_result<UpdateResult<F, T>>(put_operation<&update_element<T, std::decay_t<F>>>(request, f).send());
  }

 protected:
  SequenceProxy(ServedKind kind, std::shared_ptr<Reference> reference) : ProxyBase(kind, type_tag<T>(), std::move(reference)) {}
  SequenceProxy(ServedKind kind, Reader& reader) : ProxyBase(kind, type_tag<T>(), reader) {}
};

}  // namespace ipc::detail
