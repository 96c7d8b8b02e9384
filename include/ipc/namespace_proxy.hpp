#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
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

/// As it came from the server, or goes there.
struct NamedValue {
  Message content;
  References references;
  template <class T>
  T as(const ServerId& server) const {
    auto fds = duplicates(content.fds);
    const GrantedProxies granted(server, references);
    Reader reader(content.bytes, fds);
    return decode_all<TaggedValue<T>>(reader).value;
  }
};

}  // namespace detail

/// A copy of a managed namespace: what `NamespaceProxy::get_value` gives. A handle on what was then; any thread may read it.
class NamespaceValue {
 public:
  /// As of `NamespaceProxy`.
  template <class T>
  T get(std::string_view name) const {
    return find(name).template as<T>(server_);
  }
  bool has(std::string_view name) const { return values_->contains(name); }
  /// In alphabetical order.
  std::vector<std::string> names() const;

 private:
  friend class NamespaceProxy;
  const detail::NamedValue& find(std::string_view name) const;
  detail::ServerId server_{};
  std::shared_ptr<std::map<std::string, detail::NamedValue, std::less<>>> values_;
};

namespace detail {

/// What a proxy of a namespace keeps to itself. Any thread.
class OwnNames {
 public:
  void set(std::string_view name, NamedValue value);
  /// Null when there is none.
  std::shared_ptr<const NamedValue> find(std::string_view name) const;
  /// Whether it was there.
  bool del(std::string_view name);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const NamedValue>, std::less<>> values_;
};

}  // namespace detail

/// Names with values of any type, in a manager's server; made by `Manager::Namespace`. For the rest see `ListProxy`.
///
/// As in Python, names that begin with `_` are for this proxy and its copies in this process alone: they are kept here, and
/// do not travel.
class NamespaceProxy : public detail::ProxyBase {
  using Op = detail::Op;
  using Request = detail::Request;

 public:
  /// Throws `std::out_of_range` when there is no such name, `EncodingError` when its value is no T.
  template <class T>
  T get(std::string_view name) const {
    if (is_own(name)) {
      const auto own = own_->find(name);
      if (own == nullptr) detail::fail_missing_name(name);
      return own->template as<T>(reference().server());
    }
    Request request(reference(), Op::get);
    put_name(request, name);
    return request.send().template take<detail::TaggedValue<T>>().value;
  }
  template <class V>
  void set(std::string_view name, V&& value) const {
    if (is_own(name)) {
      detail::Writer out;
      detail::NotedProxies noted(reference().server(), &out);
      detail::encode(out, detail::TaggedValue<detail::SentAs<V>>{std::forward<V>(value)});
      return own_->set(name, {out.take(), std::move(noted.references)});
    }
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
  static bool is_own(std::string_view name) noexcept { return name.starts_with('_'); }
  static void put_name(Request& request, std::string_view name);

  std::shared_ptr<detail::OwnNames> own_ = std::make_shared<detail::OwnNames>();
};

}  // namespace ipc
