#pragma once

#include <pthread.h>
#include <sys/types.h>

#include <cerrno>
#include <cstdint>
#include <system_error>
#include <type_traits>

#include <ipc/detail/deadline.hpp>

#include "ipc/base/sanitizer.hpp"

namespace ipc::os {

enum class LockOutcome {
  acquired,
  acquired_after_death,  ///< The holder died. The caller holds it: it repairs what the mutex protects, then calls `make_consistent`.
  not_acquired,          ///< Somebody else holds it, still.
  already_mine,          ///< This thread holds it already; waiting would never end.
};

/// How many the calling thread holds. When a thread dies, the kernel goes through 2048 of them, and leaves the others held for ever
/// (ROBUST_LIST_LIMIT). The library itself holds a few at a time; users are kept to fewer (sync/lock.cpp).
[[gnu::tls_model("initial-exec")]] inline constinit thread_local std::int32_t robust_mutexes_held = 0;

/// A mutex that lies in shared memory and outlives whoever holds it: when a thread dies holding it, the kernel gives it to
/// the next, who is told (`acquired_after_death`). Owned by a thread, not by a process: after fork the child owns nothing.
///
/// Its memory must stay mapped, and must not be used for anything else, while any thread holds it: the holder's C library
/// keeps it in a linked list through this very memory.
///
/// If a process is killed: while it holds the mutex, the next locker is told; between `acquired_after_death` and
/// `make_consistent`, likewise the next one; while it waits, or was just chosen to wake, the kernel wakes another; between
/// letting go and waking, those who sleep look again within 200 ms.
class RobustMutex {
 public:
  /// Throws `std::system_error` (only when the C library has no robust mutexes).
  RobustMutex();
  // Trivially destructible: the memory just goes.

  LockOutcome lock();
  LockOutcome try_lock() {
    const int error = ::pthread_mutex_trylock(&mutex_);
    if (error != 0) return why_not_locked(error);
    ++robust_mutexes_held;
    return LockOutcome::acquired;
  }
  LockOutcome lock_until(detail::Deadline deadline);
  /// Says that what the mutex protects is in order again; without it the mutex is lost for everybody at `unlock`.
  void make_consistent();
  /// False when this thread does not hold it; nothing happened then.
  bool unlock() {
#ifdef IPC_THREAD_SANITIZER
    if (!is_mine()) return false;  // It takes the mere question for a bug.
#endif
    const int error = ::pthread_mutex_unlock(&mutex_);
    if (error != 0) return was_unlocked(error);
    --robust_mutexes_held;
    return true;
  }

  /// Whether the calling thread holds it.
  bool is_mine() const noexcept;
  /// Whether a thread of this process holds it.
  bool is_held_here() const noexcept;
  /// A hint for those who spin: nobody held it a moment ago.
  bool looks_free() const noexcept { return holder() == 0; }
  /// The thread id of the thread that held it a moment ago; 0 for none, and for a dead one.
  pid_t holder() const noexcept {
    // The first word of a robust mutex is the kernel's (set_robust_list(2)): the holder's thread id and two flags. Relaxed: a
    // hint, or a question whose answer only the asking thread itself could change.
    const auto word = static_cast<unsigned>(__atomic_load_n(&mutex_.__data.__lock, __ATOMIC_RELAXED));
    return (word & owner_died) != 0 ? 0 : static_cast<pid_t>(word & thread_mask);
  }

 private:
  // Of <linux/futex.h>, FUTEX_OWNER_DIED and FUTEX_TID_MASK.
  static constexpr unsigned owner_died = 0x40000000;
  static constexpr unsigned thread_mask = 0x3fffffff;

  LockOutcome why_not_locked(int error) const;
  static bool was_unlocked(int error);
  LockOutcome sleep_for_lock(detail::Deadline deadline);

  pthread_mutex_t mutex_;
};

static_assert(sizeof(RobustMutex) <= 48 && std::is_standard_layout_v<RobustMutex> && std::is_trivially_destructible_v<RobustMutex>);

/// Holds a robust mutex for a scope. `repair` runs when the last holder died, before anybody else gets in.
/// Throws `std::system_error` (EDEADLK) when this thread holds it already.
template <class Repair>
class RobustGuard {
 public:
  RobustGuard(RobustMutex& mutex, Repair repair) : mutex_(mutex) {
    const LockOutcome outcome = mutex.lock();
    if (outcome == LockOutcome::already_mine) throw std::system_error(EDEADLK, std::generic_category(), "pthread_mutex_lock");
    if (outcome == LockOutcome::acquired_after_death) {
      repair();
      mutex.make_consistent();
    }
  }
  RobustGuard(const RobustGuard&) = delete;
  RobustGuard& operator=(const RobustGuard&) = delete;
  ~RobustGuard() { mutex_.unlock(); }

 private:
  RobustMutex& mutex_;
};

/// Sleeps until the deadline, whatever signals come.
void sleep_until(detail::Deadline deadline);

}  // namespace ipc::os
