#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/lock_handle.hpp>
#include <ipc/detail/name_use.hpp>

namespace ipc {

namespace sync {
struct ConditionState;
}  // namespace sync

/// Waiting for a change of what a lock protects, over threads of all processes. The condition is its lock's Lockable:
///
///     std::unique_lock guard(condition);
///     condition.wait([&] { return items.value() > 0; });
///
/// A notification wakes exactly as many of those that wait at that moment as it says; waiters that were killed do not count
/// and keep nobody waiting. Any thread may use one handle at the same time as others; at most 512 may wait at once.
class Condition {
 public:
  /// With an `RLock` of its own. Throws `std::system_error`.
  Condition();
  /// With a `Lock` or `RLock` that others may share.
  explicit Condition(detail::LockHandle lock);
  /// A named one for unrelated processes, with an `RLock` of its own under the same name: see unlink.hpp.
  static Condition create(std::string_view name) { return named(name, detail::NameUse::create); }
  static Condition open(std::string_view name) { return named(name, detail::NameUse::open); }
  static Condition open_or_create(std::string_view name) { return named(name, detail::NameUse::open_or_create); }

  void lock() const { lock_.lock(); }
  [[nodiscard]] bool try_lock() const { return lock_.try_lock(); }
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> time) const {
    return lock_.try_lock_for(time);
  }
  void unlock() const { lock_.unlock(); }
  /// As the lock's.
  [[nodiscard]] bool recovered() const { return lock_.recovered(); }

  /// Gives up the lock (an `RLock` however often it was taken), waits for a notification, takes the lock again.
  /// These and `notify` throw `UsageError` when this thread does not hold the lock. Returns true.
  bool wait() const { return wait_by(detail::Deadline::never()); }
  /// Whether it was notified in time.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> time) const {
    return wait_by(detail::Deadline::after(time));
  }
  /// Until `predicate()` holds; it is called with the lock held.
  template <class Predicate>
  void wait(Predicate predicate) const {
    wait_until_true(predicate, detail::Deadline::never());
  }
  /// What `predicate()` said last.
  template <class Rep, class Period, class Predicate>
  bool wait_for(std::chrono::duration<Rep, Period> time, Predicate predicate) const {
    return wait_until_true(predicate, detail::Deadline::after(time));
  }
  /// Wakes the `n` that have waited longest, or as many as wait.
  void notify(int n = 1) const;
  void notify_all() const;

  /// Whether both are handles of the same condition.
  friend bool operator==(const Condition& a, const Condition& b) { return a.state_ == b.state_; }

  void ipc_encode(detail::Writer& writer) const;
  static Condition ipc_decode(detail::Reader& reader);

 private:
  static Condition named(std::string_view name, detail::NameUse use);
  Condition(detail::LockHandle lock, std::shared_ptr<sync::ConditionState> state) noexcept;
  bool wait_by(detail::Deadline deadline) const;
  void require_lock() const;
  template <class Predicate>
  bool wait_until_true(Predicate& predicate, detail::Deadline deadline) const {
    require_lock();
    for (;;) {
      if (predicate()) return true;
      if (!wait_by(deadline) && deadline.expired()) return static_cast<bool>(predicate());
    }
  }

  detail::LockHandle lock_;
  std::shared_ptr<sync::ConditionState> state_;
};

}  // namespace ipc
