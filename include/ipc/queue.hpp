#pragma once

#include <chrono>
#include <cstddef>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <ranges>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/name_use.hpp>
#include <ipc/detail/queue_handle.hpp>
#include <ipc/detail/queue_items.hpp>
#include <ipc/detail/type_name.hpp>
#include <ipc/error.hpp>

namespace ipc {

/// What `Queue`, `SimpleQueue` and `JoinableQueue` have in common: items of type T on their way from any number of processes
/// to any number of others, first in, first out; items of one producer arrive in its order.
///
/// An item is encoded inside `put`, by the caller's thread: what cannot be encoded is thrown there, and what happens to the
/// object later changes nothing. It is there for every process when `put` returns; nothing has to be flushed or joined, and a
/// producer may end, or be killed, at once.
///
/// Items may hold shared handles, connections and descriptors (up to 253 each), which travel in a socket of the queue. How many
/// can be in it is up to the system: some twenty thousand for root, some hundreds for others (net.core.wmem_max, and `ulimit -n`,
/// beyond which `put` throws `std::system_error`, ETOOMANYREFS); while there is no room for them the queue is full.
///
/// In a queue with a name they arrive as long as somebody has the queue open: no name can keep a descriptor, so that with the last
/// process that has, descriptors in it are lost, and `get` throws `EncodingError`, once for each such item. Who opens the queue
/// fetches the socket from a process that has it, which the system must allow (pidfd_getfd, Linux 5.6: the same user, the
/// same PID namespace, and kernel.yama.ptrace_scope 0, or a descendant of it with 1). Where it does not, other items pass, and
/// `put` and `get` of one with descriptors throw `UsageError` and leave it where it is; a handle that was inherited or received
/// brings the socket along.
///
/// A process that is killed at any instruction loses at most the item in its own hands, and blocks nobody.
///
/// Waits end by an item (or room), by their time-out, and by `shutdown` and `close`. Items are copied under a lock that is held
/// for just that; also calls that do not wait for items wait for it.
/// Any thread may use one handle at the same time as others.
template <class T>
class BasicQueue : public detail::QueueHandle {
  static_assert(std::is_same_v<T, std::remove_cvref_t<T>>, "ipc: a queue holds values");

 public:
  using value_type = T;

  /// Waits while the queue is full. These throw `ShutDown`; `UsageError` when this process has closed the queue; what encoding
  /// the item throws; `std::system_error` when the system has no memory for it: in each case the queue is as before, and an
  /// item that can only be moved, once it has been encoded, is the caller's again.
  void put(const T& item) const { put_by(item, detail::Deadline::never()); }
  void put(T&& item) const { put_by(std::move(item), detail::Deadline::never()); }
  /// Throws `Full` when there is no room in time; the item is the caller's again then as well, as with all calls that can fail
  /// for want of room.
  template <class Rep, class Period>
  void put(const T& item, std::chrono::duration<Rep, Period> time) const {
    if (!put_by(item, detail::Deadline::after(time))) fail_full();
  }
  template <class Rep, class Period>
  void put(T&& item, std::chrono::duration<Rep, Period> time) const {
    if (!put_by(std::move(item), detail::Deadline::after(time))) fail_full();
  }
  void put_nowait(const T& item) const {
    if (!try_put(item)) fail_full();
  }
  void put_nowait(T&& item) const {
    if (!try_put(std::move(item))) fail_full();
  }
  /// False when the queue is full.
  [[nodiscard]] bool try_put(const T& item) const { return put_by(item, detail::Deadline::expired_already()); }
  [[nodiscard]] bool try_put(T&& item) const { return put_by(std::move(item), detail::Deadline::expired_already()); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_put_for(const T& item, std::chrono::duration<Rep, Period> time) const {
    return put_by(item, detail::Deadline::after(time));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_put_for(T&& item, std::chrono::duration<Rep, Period> time) const {
    return put_by(std::move(item), detail::Deadline::after(time));
  }
  /// As `put` of each element, in order, but for many at a time; waits for room where there is not enough for all. When it
  /// throws, elements before the one that could not be encoded, or before the shutdown, have been put.
  template <std::ranges::input_range R>
  void put_many(R&& items) const {
    const auto put = [this](const auto& encoded) { put_some(encoded, detail::Deadline::never()); };
    if constexpr (detail::FlatItem<T>)
      detail::put_flat_range<T>(std::forward<R>(items), put);
    else
      detail::put_range<T>(std::forward<R>(items), put);
  }
  void put_many(std::initializer_list<T> items) const { put_many(std::span<const T>(items.begin(), items.size())); }

  /// Waits for an item. These throw `ShutDown` when the queue has been shut down and everything has been taken;
  /// `UsageError` when this process has closed the queue; `EncodingError` when the item cannot be decoded (it is gone then).
  /// `std::system_error` when this process has no memory, or no descriptors, for it: a shared handle in it may need one for the
  /// way and one to keep. The item stays when there is none to receive it with, and is gone when the second is missing.
  T get() const { return *get_by(detail::Deadline::never()); }
  /// Throws `Empty` when there is no item in time.
  template <class Rep, class Period>
  T get(std::chrono::duration<Rep, Period> time) const {
    return item_or_empty(get_by(detail::Deadline::after(time)));
  }
  T get_nowait() const { return item_or_empty(try_get()); }
  [[nodiscard]] std::optional<T> try_get() const { return get_by(detail::Deadline::expired_already()); }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> try_get_for(std::chrono::duration<Rep, Period> time) const {
    return get_by(detail::Deadline::after(time));
  }
  /// Waits for an item, then takes up to `max` of those that are there. If one cannot be decoded, the others are lost with it.
  /// Otherwise what it has taken it returns: when the queue is shut down or closed meanwhile, the next call says so.
  std::vector<T> get_many(std::size_t max) const { return get_many_by(max, detail::Deadline::never()); }
  /// As above; none at the end of the time.
  template <class Rep, class Period>
  std::vector<T> get_many(std::size_t max, std::chrono::duration<Rep, Period> time) const {
    return get_many_by(max, detail::Deadline::after(time));
  }

  /// `for (T item : queue)`: takes items until the queue is shut down and empty. Each is taken when it is asked for, or whether
  /// there is one: `queue | std::views::take(3)` takes three.
  class Iterator {
   public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using iterator_concept = std::input_iterator_tag;
    /// Items that cannot be copied are given away.
    using reference = std::conditional_t<std::is_copy_constructible_v<T>, T&, T&&>;

    Iterator() = default;
    explicit Iterator(const BasicQueue& queue) : queue_(&queue) {}
    Iterator(const Iterator&) = default;
    Iterator(Iterator&&) noexcept(std::is_nothrow_move_constructible_v<T>) = default;
    ~Iterator() = default;
    Iterator& operator=(Iterator other) {
      queue_ = other.queue_;
      item_.reset();
      if (other.item_) item_.emplace(std::move(*other.item_));  // Items need not be assignable.
      return *this;
    }
    reference operator*() const {
      has_item();
      return static_cast<reference>(*item_);
    }
    Iterator& operator++() {
      has_item();
      item_.reset();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(const Iterator& iterator, std::default_sentinel_t) { return !iterator.has_item(); }

   private:
    bool has_item() const {
      if (!item_ && queue_ != nullptr) {
        if (auto next = queue_->next())
          item_.emplace(std::move(*next));
        else
          queue_ = nullptr;
      }
      return item_.has_value();
    }

    mutable const BasicQueue* queue_ = nullptr;  ///< None after the last item.
    mutable std::optional<T> item_;              ///< None before it is asked for.
  };
  Iterator begin() const { return Iterator(*this); }
  std::default_sentinel_t end() const { return {}; }

 protected:
  using Flavour = QueueHandle::Flavour;
  BasicQueue(const Type& type, std::ptrdiff_t maxsize) : QueueHandle(type, maxsize) {}
  BasicQueue(const Type& type, std::string_view name, detail::NameUse use, std::ptrdiff_t maxsize)
      : QueueHandle(type, name, use, maxsize) {}
  BasicQueue(const Type& type, detail::Reader& reader) : QueueHandle(type, reader) {}
  template <class Q>
  static Type type_of(Flavour flavour) {
    constexpr bool flat = detail::FlatItem<T>;
    return {detail::type_tag<T>(), flavour, flat ? sizeof(T) : 0, !flat && !detail::DirectItem<T>, [] { return detail::type_name<Q>(); }};
  }

 private:
  template <class U>
  bool put_by(U&& item, detail::Deadline deadline) const {
    if constexpr (detail::FlatItem<T>)
      return put_some(detail::row_of<T>(std::addressof(item), 1), deadline) == 1;
    else
      return detail::put_one<T>(std::forward<U>(item),
                                [&](const detail::OutgoingItem& encoded) { return put_some(std::span(&encoded, 1), deadline) == 1; });
  }
  std::optional<T> get_by(detail::Deadline deadline) const {
    return detail::get_one<T>([&](auto& sink) { return this->get_some(sink, 1, deadline) == 1; });
  }
  std::vector<T> get_many_by(std::size_t max, detail::Deadline deadline) const {
    std::vector<T> items;
    while (items.size() < max) {
      // Nobody waits for more than the first.
      const std::size_t count = detail::get_some(
          items, [&](auto& sink) { return items.empty() ? this->get_some(sink, max, deadline) : get_more(sink, max - items.size()); });
      if (count == 0) break;
    }
    return items;
  }
  /// Takes of those that are there for a caller who has items in hand: whatever stands against it is for the next call to say.
  template <class Sink>
  std::size_t get_more(Sink& sink, std::size_t most) const {
    try {
      return empty() ? 0 : this->get_some(sink, most, detail::Deadline::expired_already());
    } catch (const EncodingError&) {
      throw;  // Of an item that is gone: the next call would not know.
    } catch (const std::exception&) {
      return 0;
    }
  }
  std::optional<T> next() const {
    try {
      return get_by(detail::Deadline::never());
    } catch (const ShutDown&) {
      return std::nullopt;
    }
  }
  static T item_or_empty(std::optional<T> item) {
    if (!item) fail_empty();
    return std::move(*item);
  }
};

/// A queue of at most `maxsize` items; 0 and less: as many as there is memory for.
template <class T>
class Queue : public BasicQueue<T> {
 public:
  /// Throws `std::system_error`.
  explicit Queue(std::ptrdiff_t maxsize = 0) : BasicQueue<T>(type(), maxsize) {}
  /// A named one for unrelated processes: see unlink.hpp, and BasicQueue about descriptors in its items.
  static Queue create(std::string_view name, std::ptrdiff_t maxsize = 0) { return Queue(name, detail::NameUse::create, maxsize); }
  static Queue open(std::string_view name) { return Queue(name, detail::NameUse::open, 0); }
  /// Throws `UsageError` when there is one with another `maxsize`.
  static Queue open_or_create(std::string_view name, std::ptrdiff_t maxsize = 0) {
    return Queue(name, detail::NameUse::open_or_create, maxsize);
  }
  static Queue ipc_decode(detail::Reader& reader) { return Queue(reader); }

 private:
  static auto type() { return BasicQueue<T>::template type_of<Queue>(BasicQueue<T>::Flavour::queue); }
  explicit Queue(detail::Reader& reader) : BasicQueue<T>(type(), reader) {}
  Queue(std::string_view name, detail::NameUse use, std::ptrdiff_t maxsize) : BasicQueue<T>(type(), name, use, maxsize) {}
};

/// A queue without a limit.
template <class T>
class SimpleQueue : public BasicQueue<T> {
 public:
  /// Throws `std::system_error`.
  SimpleQueue() : BasicQueue<T>(type(), 0) {}
  /// A named one for unrelated processes: see unlink.hpp, and BasicQueue about descriptors in its items.
  static SimpleQueue create(std::string_view name) { return SimpleQueue(name, detail::NameUse::create, 0); }
  static SimpleQueue open(std::string_view name) { return SimpleQueue(name, detail::NameUse::open, 0); }
  static SimpleQueue open_or_create(std::string_view name) { return SimpleQueue(name, detail::NameUse::open_or_create, 0); }
  static SimpleQueue ipc_decode(detail::Reader& reader) { return SimpleQueue(reader); }

 private:
  static auto type() { return BasicQueue<T>::template type_of<SimpleQueue>(BasicQueue<T>::Flavour::simple); }
  explicit SimpleQueue(detail::Reader& reader) : BasicQueue<T>(type(), reader) {}
  SimpleQueue(std::string_view name, detail::NameUse use, std::ptrdiff_t maxsize) : BasicQueue<T>(type(), name, use, maxsize) {}
};

/// A queue that knows how many of its items are not done yet: whoever has taken one calls `task_done` when it is, or has
/// another process do so. Items that a process had in hand when it ended, however it did, are lost with it, and count as done:
/// `join` does not wait for the dead. (For more than 127 processes at a time that take items, only for the first 127.)
template <class T>
class JoinableQueue : public BasicQueue<T> {
 public:
  /// Throws `std::system_error`.
  explicit JoinableQueue(std::ptrdiff_t maxsize = 0) : BasicQueue<T>(type(), maxsize) {}
  /// A named one for unrelated processes: see unlink.hpp, and BasicQueue about descriptors in its items.
  static JoinableQueue create(std::string_view name, std::ptrdiff_t maxsize = 0) {
    return JoinableQueue(name, detail::NameUse::create, maxsize);
  }
  static JoinableQueue open(std::string_view name) { return JoinableQueue(name, detail::NameUse::open, 0); }
  /// Throws `UsageError` when there is one with another `maxsize`.
  static JoinableQueue open_or_create(std::string_view name, std::ptrdiff_t maxsize = 0) {
    return JoinableQueue(name, detail::NameUse::open_or_create, maxsize);
  }
  static JoinableQueue ipc_decode(detail::Reader& reader) { return JoinableQueue(reader); }

  /// Of one item. Throws `std::invalid_argument` when more are done than were put.
  void task_done() const { this->item_done(); }
  /// Waits until everything that was put is done; what `shutdown(true)` threw away counts as done.
  void join() const { this->join_by(detail::Deadline::never()); }
  /// Whether that was so in time.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> time) const {
    return this->join_by(detail::Deadline::after(time));
  }

 private:
  static auto type() { return BasicQueue<T>::template type_of<JoinableQueue>(BasicQueue<T>::Flavour::joinable); }
  explicit JoinableQueue(detail::Reader& reader) : BasicQueue<T>(type(), reader) {}
  JoinableQueue(std::string_view name, detail::NameUse use, std::ptrdiff_t maxsize) : BasicQueue<T>(type(), name, use, maxsize) {}
};

}  // namespace ipc
