#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ipc/detail/cursor_iterator.hpp>
#include <ipc/detail/proxy_item.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/typed_operation.hpp>

namespace ipc {

class Manager;

namespace detail {

[[noreturn]] void fail_key_with_descriptors();

/// Keys are compared by their encodings, so equal keys must have the same: no padding, no negative zero.
template <class K>
void put_key(Writer& writer, const K& key) {
  const std::size_t begin = writer.size();
  const std::size_t fds = writer.fds().size();
  writer.raw(std::uint64_t{0});
  if constexpr (std::is_floating_point_v<K>) {
    encode(writer, key == K{} ? K{} : key);
  } else if constexpr (std::is_class_v<K> && Codec<K>::flat && !std::has_unique_object_representations_v<K>) {
    alignas(K) std::byte copy[sizeof(K)];
    std::memcpy(copy, &key, sizeof(K));
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(reinterpret_cast<K*>(copy));
#endif
#endif
    writer.bytes(copy, sizeof(K));
  } else {
    encode(writer, key);
  }
  if (writer.fds().size() != fds) fail_key_with_descriptors();
  const std::uint64_t size = writer.size() - begin - sizeof size;
  std::memcpy(writer.at(begin), &size, sizeof size);
}

/// The pairs of a range.
template <class K, class V, class Range>
void put_pairs(Request& request, Range&& pairs) {
  for (auto&& [key, value] : pairs) {
    put_key<K>(request.writer(), key);
    request.put_from<Range, V>(value);
  }
}

template <class K>
K take_key(Reader& reader) {
  const std::size_t size = reader.count(1);
  Reader key({reader.take(size), size});
  return decode_all<K>(key);
}

/// Asks for the key behind the last one.
template <class K>
struct KeyCursor {
  using value_type = K;
  std::optional<K> next() {
    Request request(*dict, Op::next_key);
    request.raw(size);
    if (last) put_key(request.writer(), *last);
    auto reply = request.send();
    if (!reply.done()) return std::nullopt;
    size = reply.in().template raw<std::uint64_t>();
    last = take_key<K>(reply.in());
    return last;
  }
  std::shared_ptr<Reference> dict = nullptr;
  std::uint64_t size = UINT64_MAX;  // Of the dict; it must not change on the way.
  std::optional<K> last = std::nullopt;
};

template <class K, class V, bool ordered>
struct DictMap {
  using type = std::unordered_map<K, V>;
};
template <class K, class V>
struct DictMap<K, V, true> {
  using type = std::map<K, V>;
};

}  // namespace detail

/// A dict that lives in a manager's server, made by `Manager::dict`. It keeps the order in which its keys came. Keys are equal
/// when their encodings are: numbers, text, and containers of these.
/// For the rest see `ListProxy`. A key that is not there is `std::out_of_range`.
template <class K, class V>
class DictProxy : public detail::ProxyBase {
  using Op = detail::Op;
  using Request = detail::Request;

 public:
  using key_type = K;
  using mapped_type = V;
  using Map = typename detail::DictMap<K, V, std::totally_ordered<K>>::type;

  /// What stands under a key, to be read or written when it is used.
  using Item = detail::ProxyItem<DictProxy, K, V>;

  Item operator[](K key) const { return Item(*this, std::move(key)); }
  V get(const K& key) const { return Keyed(*this, Op::get, key).send().template take<V>(); }
  V get(const K& key, V otherwise) const {
    auto reply = Keyed(*this, Op::get, key).request.may_miss().send();
    return reply.done() ? reply.template take<V>() : std::move(otherwise);
  }
  void set(const K& key, const V& value) const { Keyed(*this, Op::set, key).request.put(value).send(); }
  void set(const K& key, V&& value) const { Keyed(*this, Op::set, key).request.put(std::move(value)).send(); }
  bool contains(const K& key) const { return Keyed(*this, Op::contains, key).send().in().template raw<std::uint8_t>() != 0; }
  V pop(const K& key) const { return Keyed(*this, Op::pop, key).send().template take<V>(); }
  V pop(const K& key, V otherwise) const {
    auto reply = Keyed(*this, Op::pop, key).request.may_miss().send();
    return reply.done() ? reply.template take<V>() : std::move(otherwise);
  }
  /// Takes out what came last.
  std::pair<K, V> popitem() const {
    auto reply = Request(reference(), Op::pop_last).send();
    K key = detail::take_key<K>(reply.in());
    return {std::move(key), reply.template take<V>()};
  }
  /// What stands under the key, which is `value` if there was nothing.
  V setdefault(const K& key, const V& value) const {
    return Keyed(*this, Op::set_default, key).request.put(value).send().template take<V>();
  }
  V setdefault(const K& key, V&& value) const {
    return Keyed(*this, Op::set_default, key).request.put(std::move(value)).send().template take<V>();
  }
  /// Whether it was there.
  bool erase(const K& key) const { return Keyed(*this, Op::erase, key).request.may_miss().send().done(); }
  void clear() const { Request(reference(), Op::clear).send(); }
  std::size_t size() const { return static_cast<std::size_t>(Request(reference(), Op::size).send().in().template raw<std::uint64_t>()); }
  bool empty() const { return size() == 0; }
  std::vector<K> keys() const {
    auto reply = Request(reference(), Op::keys).send();
    std::vector<K> all;
    while (!reply.in().at_end()) all.push_back(detail::take_key<K>(reply.in()));
    return all;
  }
  /// `for (K key : dict)`: asks for each key when its turn has come, and throws `UsageError` when keys have come or gone since it
  /// began. `keys()` and `items()` are copies, had at once.
  using Iterator = detail::CursorIterator<detail::KeyCursor<K>>;
  Iterator begin() const { return Iterator({shared_reference()}); }
  Iterator end() const { return {}; }
  std::vector<V> values() const {
    std::vector<V> all;
    for (auto& item : items()) all.push_back(std::move(item.second));
    return all;
  }
  std::vector<std::pair<K, V>> items() const {
    auto reply = Request(reference(), Op::slice).send();
    std::vector<std::pair<K, V>> all;
    while (!reply.in().at_end()) {
      K key = detail::take_key<K>(reply.in());
      all.emplace_back(std::move(key), reply.template take<V>());
    }
    return all;
  }
  Map to_map() const {
    Map map;
    for (auto& item : items()) map.emplace(std::move(item.first), std::move(item.second));
    return map;
  }
  Map get_value() const { return to_map(); }
  /// Runs `f(V&)` on what stands under the key, on the server, and returns what it returns. When it throws, the value is as
  /// before.
  template <class F>
  detail::UpdateResult<F, V> update(const K& key, const F& f) const {
    Keyed keyed(*this, Op::typed, key);
    return detail::take_result<detail::UpdateResult<F, V>>(
        detail::put_operation<&detail::update_element<V, std::decay_t<F>>>(keyed.request, f).send());
  }
  /// Sets all pairs of the range.
  template <class Range>
  void merge(Range&& pairs) const {
    Request request(reference(), Op::extend);
    detail::put_pairs<K, V>(request, std::forward<Range>(pairs));
    request.send();
  }
  void merge(std::initializer_list<std::pair<K, V>> pairs) const { merge<std::initializer_list<std::pair<K, V>>&>(pairs); }

  static DictProxy ipc_decode(detail::Reader& reader) { return DictProxy(reader); }

 private:
  friend class Manager;
  static constexpr std::uint64_t tag() { return detail::type_tag<std::pair<K, V>>(); }
  explicit DictProxy(std::shared_ptr<detail::Reference> reference) : ProxyBase(detail::ServedKind::dict, tag(), std::move(reference)) {}
  explicit DictProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::dict, tag(), reader) {}

  struct Keyed {
    Keyed(const DictProxy& dict, Op op, const K& key) : request(dict.reference(), op) { detail::put_key(request.writer(), key); }
    detail::Reply send() { return request.send(); }
    Request request;
  };
};

}  // namespace ipc
