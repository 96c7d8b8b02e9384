#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ipc/manager/object.hpp"

namespace ipc::manager {

class Mutex;

/// The lock that a value or an array has for its clients, from when the first asks for it. While one holds it, calls of others are
/// not performed.
class OwnLock {
 public:
  /// Whether the call is answered with that, or with the lock.
  bool answers(Call& call);

 private:
  std::shared_ptr<Mutex> mutex_;
};

/// A list, or an array, whose size stays.
class List final : public Object {
 public:
  List(detail::ServedKind kind, std::vector<Element> elements) : Object(kind), elements_(std::move(elements)) {}
  void perform(Call& call) override;

 private:
  void resize(Call& call);
  std::vector<Element> elements_;
  OwnLock lock_;  // Of an array.
};

/// A dict or a namespace: keys in the order in which they came. Keys are equal when their encodings are.
class Dict final : public Object {
 public:
  explicit Dict(detail::ServedKind kind) : Object(kind) {}
  void perform(Call& call) override;
  /// Adds or replaces.
  void set(std::string key, Element value);

 private:
  struct Entry {
    std::string key;
    Element value;
  };
  using Entries = std::list<Entry>;
  Entries::iterator find(Call& call);
  /// Throws when there is none; the end only where that may be.
  Entries::iterator existing(Call& call);
  void erase(Entries::iterator entry);
  /// The key behind the one that is named, if the dict has as many as it had.
  void next_key(Call& call);

  Entries entries_;
  std::unordered_map<std::string_view, Entries::iterator> index_;
};

/// One value, or an object of the client's own type.
class Single final : public Object {
 public:
  explicit Single(Element value) : Object(detail::ServedKind::value), value_(std::move(value)) {}
  explicit Single(std::shared_ptr<void> object) : Object(detail::ServedKind::object), object_(std::move(object)) {}
  void perform(Call& call) override;

 private:
  Element value_;
  std::shared_ptr<void> object_;
  OwnLock lock_;  // Of a value.
};

}  // namespace ipc::manager
