#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/cursor_iterator.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/error.hpp>

namespace ipc {

class Manager;

namespace detail {

[[noreturn]] void fail_full_queue();
[[noreturn]] void fail_empty_queue();
[[noreturn]] void fail_closed_queue();

}  // namespace detail

/// What the proxies of queues have in common: the interface of `Queue`.
template <class T>
class BasicQueueProxy : public detail::ProxyBase {
  using Op = detail::Op;
  using Request = detail::Request;
  using Deadline = detail::Deadline;

 public:
  using value_type = T;

  void put(const T& item) const { put_by(item, Deadline::never()); }
  void put(T&& item) const { put_by(std::move(item), Deadline::never()); }
  template <class Rep, class Period>
  void put(const T& item, std::chrono::duration<Rep, Period> time) const {
    if (!put_by(item, Deadline::after(time))) detail::fail_full_queue();
  }
  template <class Rep, class Period>
  void put(T&& item, std::chrono::duration<Rep, Period> time) const {
    if (!put_by(std::move(item), Deadline::after(time))) detail::fail_full_queue();
  }
  void put_nowait(const T& item) const {
    if (!try_put(item)) detail::fail_full_queue();
  }
  void put_nowait(T&& item) const {
    if (!try_put(std::move(item))) detail::fail_full_queue();
  }
  [[nodiscard]] bool try_put(const T& item) const { return put_by(item, Deadline::expired_already()); }
  [[nodiscard]] bool try_put(T&& item) const { return put_by(std::move(item), Deadline::expired_already()); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_put_for(const T& item, std::chrono::duration<Rep, Period> time) const {
    return put_by(item, Deadline::after(time));
  }
  template <class Rep, class Period>
  [[nodiscard]] bool try_put_for(T&& item, std::chrono::duration<Rep, Period> time) const {
    return put_by(std::move(item), Deadline::after(time));
  }
  /// One round trip for all; waits for room where there is not enough.
  void put_many(std::initializer_list<T> items) const { put_many<std::initializer_list<T>&>(items); }
  template <class Range>
  void put_many(Range&& items) const {
    Request(opened(), Op::insert).template put_all<T>(std::forward<Range>(items)).send();
  }

  T get() const { return std::move(*get_by(Deadline::never())); }
  template <class Rep, class Period>
  T get(std::chrono::duration<Rep, Period> time) const {
    return item_or_empty(get_by(Deadline::after(time)));
  }
  T get_nowait() const { return item_or_empty(try_get()); }
  [[nodiscard]] std::optional<T> try_get() const { return get_by(Deadline::expired_already()); }
  template <class Rep, class Period>
  [[nodiscard]] std::optional<T> try_get_for(std::chrono::duration<Rep, Period> time) const {
    return get_by(Deadline::after(time));
  }
  std::vector<T> get_many(std::size_t max) const { return get_many_by(max, Deadline::never()); }
  template <class Rep, class Period>
  std::vector<T> get_many(std::size_t max, std::chrono::duration<Rep, Period> time) const {
    return get_many_by(max, Deadline::after(time));
  }

  std::size_t qsize() const { return static_cast<std::size_t>(Request(opened(), Op::size).send().in().template raw<std::uint64_t>()); }
  bool empty() const { return qsize() == 0; }
  bool full() const {
    auto reply = Request(opened(), Op::size).send();
    reply.in().template raw<std::uint64_t>();
    return reply.in().template raw<std::uint8_t>() != 0;
  }
  /// As `Queue::shutdown`.
  void shutdown(bool immediate = false) const { Request(opened(), Op::abort).raw(static_cast<std::uint8_t>(immediate)).send(); }
  /// In this process: this proxy and its copies are used no more. Again is fine.
  void close() const noexcept { closed_->store(true); }
  bool closed() const noexcept { return closed_->load(); }
  /// A copy of what is in it.
  std::vector<T> get_value() const { return Request(opened(), Op::slice).send().template take_all<T>(); }

  /// `for (T item : queue)`: takes items until the queue is shut down and empty.
  auto begin() const { return detail::CursorIterator<Drain>(Drain{*this}); }
  auto end() const { return std::default_sentinel; }

 protected:
  BasicQueueProxy(detail::ServedKind kind, std::shared_ptr<detail::Reference> reference)
      : ProxyBase(kind, detail::type_tag<T>(), std::move(reference)) {}
  BasicQueueProxy(detail::ServedKind kind, detail::Reader& reader) : ProxyBase(kind, detail::type_tag<T>(), reader) {}

 private:
  struct Drain {
    using value_type = T;
    std::optional<T> next() const { return queue.next(); }
    BasicQueueProxy queue;
  };
  bool put_by(const T& item, Deadline deadline) const { return Request(opened(), Op::insert, deadline).put(item).send().done(); }
  bool put_by(T&& item, Deadline deadline) const {
    Request request(opened(), Op::insert, deadline);
    if constexpr (std::is_copy_constructible_v<T>) {
      return request.put(std::move(item)).send().done();
    } else {
      detail::Writer out;
      detail::NotedProxies noted(reference().server(), &out);
      detail::encode(out, std::move(item));
      detail::Message message = out.take();
      if (request.put_encoded(message, noted.references).send().done()) return true;
      // It was moved into the message: back.
      const detail::GrantedProxies granted(reference().server(), std::move(noted.references));
      detail::Reader reader(message.bytes, message.fds);
      T again = detail::decode_all<T>(reader);
      std::destroy_at(std::addressof(item));
      std::construct_at(std::addressof(item), std::move(again));
      return false;
    }
  }
  std::optional<T> get_by(Deadline deadline) const {
    auto reply = Request(opened(), Op::pop, deadline).raw(std::uint64_t{1}).send();
    if (!reply.done()) return std::nullopt;
    return reply.template take<T>();
  }
  std::vector<T> get_many_by(std::size_t max, Deadline deadline) const {
    if (max == 0) return {};
    auto reply = Request(opened(), Op::pop, deadline).raw(std::uint64_t{max}).send();
    if (!reply.done()) return {};
    return reply.template take_all<T>();
  }
  const detail::Reference& opened() const {
    if (closed()) detail::fail_closed_queue();
    return reference();
  }
  std::optional<T> next() const {
    try {
      return get_by(Deadline::never());
    } catch (const ShutDown&) {
      return std::nullopt;
    }
  }
  static T item_or_empty(std::optional<T> item) {
    if (!item) detail::fail_empty_queue();
    return std::move(*item);
  }

  std::shared_ptr<std::atomic<bool>> closed_ = std::make_shared<std::atomic<bool>>(false);
};

/// A queue in a manager's server, made by `Manager::Queue`.
template <class T>
class QueueProxy : public BasicQueueProxy<T> {
 public:
  static QueueProxy ipc_decode(detail::Reader& reader) { return QueueProxy(reader); }

 private:
  friend class Manager;
  explicit QueueProxy(std::shared_ptr<detail::Reference> reference) : BasicQueueProxy<T>(detail::ServedKind::queue, std::move(reference)) {}
  explicit QueueProxy(detail::Reader& reader) : BasicQueueProxy<T>(detail::ServedKind::queue, reader) {}
};

/// A queue that knows which items are not done yet. When a client ends, what its threads have taken and not called done is
/// put back at the front, so that a job does not go with its worker; `task_done` is about the item that the calling thread
/// took first.
template <class T>
class JoinableQueueProxy : public BasicQueueProxy<T> {
 public:
  /// Throws `std::invalid_argument` when more are done than were put.
  void task_done() const { detail::Request(this->reference(), detail::Op::task_done).send(); }
  /// Waits until everything that was put is done.
  void join() const { join_by(detail::Deadline::never()); }
  /// Whether that was so in time.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> time) const {
    return join_by(detail::Deadline::after(time));
  }
  static JoinableQueueProxy ipc_decode(detail::Reader& reader) { return JoinableQueueProxy(reader); }

 private:
  friend class Manager;
  explicit JoinableQueueProxy(std::shared_ptr<detail::Reference> reference)
      : BasicQueueProxy<T>(detail::ServedKind::joinable_queue, std::move(reference)) {}
  explicit JoinableQueueProxy(detail::Reader& reader) : BasicQueueProxy<T>(detail::ServedKind::joinable_queue, reader) {}
  bool join_by(detail::Deadline deadline) const { return detail::Request(this->reference(), detail::Op::join, deadline).send().done(); }
};

}  // namespace ipc
