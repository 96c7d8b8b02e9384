#include "ipc/manager/containers.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"
#include "ipc/manager/sync_objects.hpp"

namespace ipc::manager {

using detail::ServedKind;

// --- locks of values and arrays ------------------------------------------------------------------------------------------

bool OwnLock::answers(Call& call) {
  const bool asked_for = call.op == Op::own_lock;
  if (asked_for && mutex_ == nullptr) {
    mutex_ = std::make_shared<Mutex>(true);
    call.machine.enroll(mutex_);
  }
  if (!asked_for && (mutex_ == nullptr || !mutex_->held() || mutex_->held_by(call.owner))) return false;
  if (!asked_for) call.out.locked();
  Machine::refer(*call.peer.session, mutex_);
  call.out.raw(mutex_->id);
  return true;
}

// --- lists ---------------------------------------------------------------------------------------------------------------

void List::perform(Call& call) {
  if (kind() == ServedKind::array && call.op != Op::size && lock_.answers(call)) return;
  const auto place = [&](std::int64_t index) { return place_of(index, elements_.size(), kind() == ServedKind::list ? "list" : "array"); };
  switch (call.op) {
    case Op::size:
      call.out.raw(std::uint64_t{elements_.size()});
      return;
    case Op::get: {
      const auto at = call.in.raw<std::int64_t>();
      if (call.may_miss && at >= static_cast<std::int64_t>(elements_.size())) return call.out.nothing();
      return call.out.put(elements_[place(at)]);
    }
    case Op::set: {
      const std::size_t at = place(call.in.raw<std::int64_t>());
      std::swap(elements_[at], *std::make_unique<Element>(call.take()));
      return;
    }
    case Op::slice: {
      const auto clamp = [&](std::int64_t i) {
        const auto size = static_cast<std::int64_t>(elements_.size());
        return static_cast<std::size_t>(std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size));
      };
      const std::size_t begin = clamp(call.in.raw<std::int64_t>());
      const std::size_t end = clamp(call.in.raw<std::int64_t>());
      for (std::size_t i = begin; i < end; ++i) call.out.put(elements_[i]);
      return;
    }
    case Op::reverse:
      std::reverse(elements_.begin(), elements_.end());
      return;
    case Op::typed: {
      detail::TypedCall operation;
      operation.list = &elements_;
      const auto at = call.in.raw<std::int64_t>();
      constexpr std::int64_t whole = INT64_MIN;
      if (at != whole) operation.element = &elements_[place_of(at, elements_.size(), "update")];
      return call.run(operation);
    }
    default:
      return resize(call);
  }
}

void List::resize(Call& call) {
  if (kind() != ServedKind::list) fail_operation();
  switch (call.op) {
    case Op::insert: {
      const auto size = static_cast<std::int64_t>(elements_.size());
      const auto at = call.in.raw<std::int64_t>();
      Element element = call.take();
      elements_.insert(elements_.begin() + std::clamp<std::int64_t>(at < 0 ? at + size : at, 0, size), std::move(element));
      return;
    }
    case Op::extend: {
      auto more = call.take_all();
      elements_.insert(elements_.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
      return;
    }
    case Op::pop: {
      const auto at = call.in.raw<std::int64_t>();
      if (elements_.empty()) throw std::out_of_range("pop from an empty list");
      const std::size_t place = place_of(at, elements_.size(), "pop");
      call.out.put(elements_[place]);
      const Element element = std::move(elements_[place]);
      elements_.erase(elements_.begin() + static_cast<std::ptrdiff_t>(place));
      return;
    }
    case Op::clear: {
      const auto gone = std::exchange(elements_, {});
      return;
    }
    default:
      fail_operation();
  }
}

// --- dicts ---------------------------------------------------------------------------------------------------------------

Dict::Entries::iterator Dict::find(Call& call) {
  const std::size_t size = call.in.count(1);
  const std::string_view key(reinterpret_cast<const char*>(call.in.take(size)), size);
  const auto found = index_.find(key);
  return found == index_.end() ? entries_.end() : found->second;
}

Dict::Entries::iterator Dict::existing(Call& call) {
  detail::Reader again = call.in;
  const auto entry = find(call);
  if (entry != entries_.end() || call.may_miss) return entry;
  if (kind() == ServedKind::dict) throw std::out_of_range("The dict has no such key.");
  const std::size_t size = again.count(1);
  throw std::out_of_range("The namespace has no name \"" + std::string(reinterpret_cast<const char*>(again.take(size)), size) + "\".");
}

void Dict::set(std::string key, Element value) {
  const auto found = index_.find(key);
  if (found != index_.end()) {
    std::swap(found->second->value, value);
    return;
  }
  entries_.push_back({std::move(key), std::move(value)});
  index_.emplace(entries_.back().key, std::prev(entries_.end()));
}

void Dict::erase(Entries::iterator entry) {
  index_.erase(entry->key);
  Entries gone;
  gone.splice(gone.begin(), entries_, entry);
}

namespace {

std::string take_key(Call& call) {
  const std::size_t size = call.in.count(1);
  return std::string(reinterpret_cast<const char*>(call.in.take(size)), size);
}

void put_key(Call& call, const std::string& key) {
  call.out.raw(std::uint64_t{key.size()});
  call.out.bytes(key.data(), key.size());
}

}  // namespace

void Dict::perform(Call& call) {
  switch (call.op) {
    case Op::size:
      call.out.raw(std::uint64_t{entries_.size()});
      return;
    case Op::get: {
      const auto entry = existing(call);
      if (entry == entries_.end()) return call.out.nothing();
      return call.out.put(entry->value);
    }
    case Op::contains:
      call.out.raw(static_cast<std::uint8_t>(find(call) != entries_.end()));
      return;
    case Op::set:
    case Op::extend: {
      std::vector<Entry> fresh;
      while (!call.in.at_end()) {
        std::string key = take_key(call);
        fresh.push_back({std::move(key), call.take()});
      }
      for (Entry& entry : fresh) set(std::move(entry.key), std::move(entry.value));
      return;
    }
    case Op::set_default: {
      std::string key = take_key(call);
      const auto found = index_.find(key);
      if (found != index_.end()) return call.out.put(found->second->value);
      set(std::move(key), call.take());
      return call.out.put(entries_.back().value);
    }
    case Op::pop: {
      const auto entry = existing(call);
      if (entry == entries_.end()) return call.out.nothing();
      call.out.put(entry->value);
      return erase(entry);
    }
    case Op::pop_last: {
      if (entries_.empty()) throw std::out_of_range("popitem: the dict is empty.");
      const auto last = std::prev(entries_.end());
      put_key(call, last->key);
      call.out.put(last->value);
      return erase(last);
    }
    case Op::erase: {
      const auto entry = existing(call);
      if (entry == entries_.end()) return call.out.nothing();
      return erase(entry);
    }
    case Op::clear: {
      index_.clear();
      const auto gone = std::exchange(entries_, {});
      return;
    }
    case Op::next_key:
      return next_key(call);
    case Op::keys:
      for (const Entry& entry : entries_) put_key(call, entry.key);
      return;
    case Op::slice:
      for (const Entry& entry : entries_) {
        put_key(call, entry.key);
        call.out.put(entry.value);
      }
      return;
    case Op::typed: {
      detail::TypedCall operation;
      const auto entry = existing(call);
      if (entry == entries_.end()) return call.out.nothing();
      operation.element = &entry->value;
      return call.run(operation);
    }
    default:
      fail_operation();
  }
}

void Dict::next_key(Call& call) {
  constexpr std::uint64_t any = UINT64_MAX;
  const auto size = call.in.raw<std::uint64_t>();
  bool changed = size != any && size != entries_.size();
  auto next = entries_.begin();
  if (!changed && !call.in.at_end()) {
    next = find(call);
    changed = next == entries_.end();
    if (!changed) ++next;
  }
  if (changed) throw UsageError("The dict changed while somebody iterated over it. Iterate over a copy of its keys: keys().");
  if (next == entries_.end()) return call.out.nothing();
  call.out.raw(std::uint64_t{entries_.size()});
  put_key(call, next->key);
}

// --- single values -------------------------------------------------------------------------------------------------------

void Single::perform(Call& call) {
  if (kind() == ServedKind::value && lock_.answers(call)) return;
  if (call.op == Op::typed) {
    detail::TypedCall operation;
    operation.element = &value_;
    operation.object = &object_;
    return call.run(operation);
  }
  if (kind() == ServedKind::value && call.op == Op::get) return call.out.put(value_);
  if (kind() == ServedKind::value && call.op == Op::set) {
    Element fresh = call.take();
    std::swap(value_, fresh);
    return;
  }
  fail_operation();
}

}  // namespace ipc::manager
