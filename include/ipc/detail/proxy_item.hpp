#pragma once

#include <concepts>
#include <utility>

namespace ipc::detail {

/// One element of a managed container, to be read or written when it is used. It keeps the container. What is assigned is the
/// element, also from another such: `d["a"] = d["b"]`; the item itself stays the same.
template <class Proxy, class Key, class T>
class ProxyItem {
 public:
  ProxyItem(Proxy proxy, Key key) : proxy_(std::move(proxy)), key_(std::move(key)) {}
  ProxyItem(const ProxyItem&) = default;
  ~ProxyItem() = default;
  operator T() const { return proxy_.get(key_); }  // NOLINT(google-explicit-constructor): stands for the element.
  // NOLINTBEGIN(misc-unconventional-assign-operator): these assign what it stands for.
  const ProxyItem& operator=(const T& value) const {
    proxy_.set(key_, value);
    return *this;
  }
  const ProxyItem& operator=(T&& value) const {
    proxy_.set(key_, std::move(value));
    return *this;
  }
  const ProxyItem& operator=(const ProxyItem& other) const { return *this = static_cast<T>(other); }
  ProxyItem& operator=(const ProxyItem& other) {
    std::as_const(*this) = other;
    return *this;
  }
  template <class OtherProxy, class OtherKey, std::convertible_to<T> U>
  const ProxyItem& operator=(const ProxyItem<OtherProxy, OtherKey, U>& other) const {
    return *this = T(static_cast<U>(other));
  }
  // NOLINTEND(misc-unconventional-assign-operator)
  friend bool operator==(const ProxyItem& item, const T& value) { return static_cast<T>(item) == value; }
  friend bool operator==(const ProxyItem& a, const ProxyItem& b) { return static_cast<T>(a) == static_cast<T>(b); }

 private:
  Proxy proxy_;
  Key key_;
};

}  // namespace ipc::detail
