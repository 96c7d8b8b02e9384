#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <ipc/detail/reference.hpp>
#include <ipc/detail/type_name.hpp>
#include <ipc/dict_proxy.hpp>

namespace ipc {

namespace detail {

[[noreturn]] void fail_missing_name(std::string_view name);
[[noreturn]] void fail_other_type(const std::string& type);

/// A value with the name of its type before it.
template <class T>
struct TaggedValue {
  T value;
  static TaggedValue ipc_decode(Reader& reader) {
    if (reader.raw<std::uint64_t>() != type_tag<T>()) fail_other_type(type_name<T>());
    return {decode<T>(reader)};
  }
  void ipc_encode(Writer& writer) const {
    writer.raw(type_tag<T>());
    encode(writer, value);
  }
};

}  // namespace detail

/// A copy of a managed namespace: what `NamespaceProxy::get_value` gives. A handle on what was then; any thread may read it.
class NamespaceValue {
 public:
  /// As of `NamespaceProxy`.
  template <class T>
  T get(std::string_view name) const {
    const Value& value = find(name);
    auto fds = detail::duplicates(value.content.fds);
    const detail::GrantedProxies granted(server_, value.references);
    detail::Reader reader(value.content.bytes, fds);
    return detail::decode_all<detail::TaggedValue<T>>(reader).value;
  }
  bool has(std::string_view name) const { return values_->contains(name); }
  /// In alphabetical order.
  std::vector<std::string> names() const;

 private:
  friend class NamespaceProxy;
  struct Value {
    detail::Message content;
    detail::References references;
  };
  const Value& find(std::string_view name) const;
  detail::ServerId server_{};
  std::shared_ptr<std::map<std::string, Value, std::less<>>> values_;
};

/// Names with values of any type, in a manager's server; made by `Manager::Namespace`. For the rest see `ListProxy`.
class NamespaceProxy : public detail::ProxyBase {
  using Op = detail::Op;
  using Request = detail::Request;

 public:
  /// Throws `std::out_of_range` when there is no such name, `EncodingError` when its value is no T.
  template <class T>
  T get(std::string_view name) const {
    Request request(reference(), Op::get);
    put_name(request, name);
    auto reply = request.send();
    if (!reply.done()) detail::fail_missing_name(name);
    return reply.template take<detail::TaggedValue<T>>().value;
  }
  template <class V>
  void set(std::string_view name, V&& value) const {
    Request request(reference(), Op::set);
    put_name(request, name);
    request.put(detail::TaggedValue<detail::SentAs<V>>{std::forward<V>(value)}).send();
  }
  bool has(std::string_view name) const;
  NamespaceValue get_value() const;
  /// Throws `std::out_of_range` when there is no such name.
  void del(std::string_view name) const;

  static NamespaceProxy ipc_decode(detail::Reader& reader) { return NamespaceProxy(reader); }

 private:
  friend class Manager;
  static constexpr std::uint64_t tag = 0;
  explicit NamespaceProxy(std::shared_ptr<detail::Reference> reference)
      : ProxyBase(detail::ServedKind::name_space, tag, std::move(reference)) {}
  explicit NamespaceProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::name_space, tag, reader) {}
  static void put_name(Request& request, std::string_view name);
};

}  // namespace ipc
