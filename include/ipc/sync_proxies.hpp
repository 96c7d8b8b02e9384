#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <utility>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/reference.hpp>

namespace ipc {

class Manager;

namespace detail {

class OwnLockProxy;

/// What the proxies of locks and conditions have in common. It belongs to the thread that took it; when its process dies, the
/// next one to lock it gets it, and `recovered()` tells.
class LockProxyBase : public ProxyBase {
 public:
  void lock() const { take(Deadline::never()); }
  [[nodiscard]] bool try_lock() const { return take(Deadline::expired_already()); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> time) const {
    return take(Deadline::after(time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> at) const {
    const auto now = Clock::now();
    return at <= now ? try_lock() : try_lock_for(at - now);
  }
  /// Throws `UsageError` when this thread does not hold it.
  void unlock() const;
  /// True while it is held by somebody whose predecessor died holding it.
  [[nodiscard]] bool recovered() const;
  /// Whether anybody holds it now.
  bool get_value() const;

 protected:
  using ProxyBase::ProxyBase;

 private:
  bool take(Deadline deadline) const;
};

}  // namespace detail

/// A lock in a manager's server, made by `Manager::Lock`: the interface of `Lock`.
class LockProxy : public detail::LockProxyBase {
 public:
  static LockProxy ipc_decode(detail::Reader& reader) { return LockProxy(reader); }

 private:
  friend class Manager;
  explicit LockProxy(std::shared_ptr<detail::Reference> reference) : LockProxyBase(detail::ServedKind::lock, 0, std::move(reference)) {}
  explicit LockProxy(detail::Reader& reader) : LockProxyBase(detail::ServedKind::lock, 0, reader) {}
};

/// The interface of `RLock`.
class RLockProxy : public detail::LockProxyBase {
 public:
  static RLockProxy ipc_decode(detail::Reader& reader) { return RLockProxy(reader); }

 private:
  friend class Manager;
  friend class detail::OwnLockProxy;
  explicit RLockProxy(std::shared_ptr<detail::Reference> reference) : LockProxyBase(detail::ServedKind::rlock, 0, std::move(reference)) {}
  explicit RLockProxy(detail::Reader& reader) : LockProxyBase(detail::ServedKind::rlock, 0, reader) {}
};

/// The interface of `Condition`. Predicates run here, not on the server.
class ConditionProxy : public detail::LockProxyBase {
 public:
  bool wait() const { return wait_by(detail::Deadline::never()); }
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> time) const {
    return wait_by(detail::Deadline::after(time));
  }
  template <class Predicate>
  void wait(Predicate predicate) const {
    wait_until_true(predicate, detail::Deadline::never());
  }
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::chrono::duration<Rep, Period> time, Predicate predicate) const {
    return wait_until_true(predicate, detail::Deadline::after(time));
  }
  void notify(int n = 1) const;
  void notify_all() const;

  static ConditionProxy ipc_decode(detail::Reader& reader) { return ConditionProxy(reader); }

 private:
  friend class Manager;
  explicit ConditionProxy(std::shared_ptr<detail::Reference> reference)
      : LockProxyBase(detail::ServedKind::condition, 0, std::move(reference)) {}
  explicit ConditionProxy(detail::Reader& reader) : LockProxyBase(detail::ServedKind::condition, 0, reader) {}
  bool wait_by(detail::Deadline deadline) const;
  template <class Predicate>
  bool wait_until_true(Predicate& predicate, detail::Deadline deadline) const {
    notify(0);  // Throws unless this thread holds the lock.
    for (;;) {
      if (predicate()) return true;
      if (!wait_by(deadline) && deadline.expired()) return static_cast<bool>(predicate());
    }
  }
};

/// The interface of `Semaphore`.
class SemaphoreProxy : public detail::ProxyBase {
 public:
  void acquire() const { acquire_by(detail::Deadline::never()); }
  [[nodiscard]] bool try_acquire() const { return acquire_by(detail::Deadline::expired_already()); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> time) const {
    return acquire_by(detail::Deadline::after(time));
  }
  void release(int n = 1) const;
  int get_value() const;

  static SemaphoreProxy ipc_decode(detail::Reader& reader) { return SemaphoreProxy(detail::ServedKind::semaphore, reader); }

 protected:
  SemaphoreProxy(detail::ServedKind kind, std::shared_ptr<detail::Reference> reference) : ProxyBase(kind, 0, std::move(reference)) {}
  SemaphoreProxy(detail::ServedKind kind, detail::Reader& reader) : ProxyBase(kind, 0, reader) {}

 private:
  friend class Manager;
  explicit SemaphoreProxy(std::shared_ptr<detail::Reference> reference)
      : SemaphoreProxy(detail::ServedKind::semaphore, std::move(reference)) {}
  bool acquire_by(detail::Deadline deadline) const;
};

/// The interface of `BoundedSemaphore`.
class BoundedSemaphoreProxy : public SemaphoreProxy {
 public:
  static BoundedSemaphoreProxy ipc_decode(detail::Reader& reader) { return BoundedSemaphoreProxy(reader); }

 private:
  friend class Manager;
  explicit BoundedSemaphoreProxy(std::shared_ptr<detail::Reference> reference)
      : SemaphoreProxy(detail::ServedKind::bounded_semaphore, std::move(reference)) {}
  explicit BoundedSemaphoreProxy(detail::Reader& reader) : SemaphoreProxy(detail::ServedKind::bounded_semaphore, reader) {}
};

/// The interface of `Event`.
class EventProxy : public detail::ProxyBase {
 public:
  void set() const;
  void clear() const;
  [[nodiscard]] bool is_set() const;
  bool get_value() const { return is_set(); }
  bool wait() const { return wait_by(detail::Deadline::never()); }
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> time) const {
    return wait_by(detail::Deadline::after(time));
  }

  static EventProxy ipc_decode(detail::Reader& reader) { return EventProxy(reader); }

 private:
  friend class Manager;
  explicit EventProxy(std::shared_ptr<detail::Reference> reference) : ProxyBase(detail::ServedKind::event, 0, std::move(reference)) {}
  explicit EventProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::event, 0, reader) {}
  bool wait_by(detail::Deadline deadline) const;
};

/// The interface of `Barrier`. The action runs on the server. A client that dies while it waits breaks the barrier.
class BarrierProxy : public detail::ProxyBase {
 public:
  int wait() const { return wait_by(detail::Deadline::never()); }
  template <class Rep, class Period>
  int wait_for(std::chrono::duration<Rep, Period> time) const {
    return wait_by(detail::Deadline::after(time));
  }
  void abort() const;
  void reset() const;
  int parties() const;
  int n_waiting() const;
  int get_value() const { return n_waiting(); }
  [[nodiscard]] bool broken() const;

  static BarrierProxy ipc_decode(detail::Reader& reader) { return BarrierProxy(reader); }

 private:
  friend class Manager;
  struct State {
    std::int32_t parties;
    std::int32_t waiting;
    bool broken;
  };
  explicit BarrierProxy(std::shared_ptr<detail::Reference> reference) : ProxyBase(detail::ServedKind::barrier, 0, std::move(reference)) {}
  explicit BarrierProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::barrier, 0, reader) {}
  int wait_by(detail::Deadline deadline) const;
  State state() const;
};

}  // namespace ipc
