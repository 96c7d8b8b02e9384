#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include <ipc/detail/deadline.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/robust_mutex.hpp"
#include "ipc/shm/layout.hpp"

namespace ipc::sync {

/// A `Lock` or `RLock` in shared memory. Any thread of any process.
/// Invariants:
/// 1. `recovered_by` is written only by the mutex's holder. It is the thread id of the holder if the one before it died,
///    and 0 or stale (not the holder's) otherwise.
/// 2. `depth` is written only by the mutex's holder: how often it has locked. Stale while nobody holds it.
/// 3. `impatient` is 1 while somebody has waited so long that newcomers must not overtake it any more: they sleep on it,
///    for a moment at most. It is only a hint; the mutex alone says who holds the lock.
/// If a process is killed: while it holds the mutex, see `os::RobustMutex`; `recovered_by` is stored before the mutex is
/// made consistent, so that a recovering holder's death is a death again to the next. An impatient one leaves its mark,
/// which the next newcomer waits for in vain, once, and takes down.
struct LockState {
  static constexpr shm::Kind kind = shm::Kind::lock;
  static constexpr std::uint32_t mutexes = 1;

  explicit LockState(bool recursive_) : recursive(recursive_ ? 1 : 0) {}

  /// When this thread holds it already: locks once more if `recursive`; otherwise waits for the deadline, and throws
  /// `UsageError` when there is none.
  bool acquire(detail::Deadline deadline) {
    // The common case first: nobody has it, nobody waits. Relaxed: hints.
    if (impatient.load(std::memory_order_relaxed) == 0 && mutex.looks_free() && entered(mutex.try_lock())) return true;
    return acquire_taken(deadline);
  }
  bool try_acquire();
  /// Throws `UsageError` when this thread does not hold it.
  void release() {
    // Relaxed: only the holder writes them, and if this thread is not it, the mutex will say so.
    if (depth.load(std::memory_order_relaxed) > 1 || recovered_by.load(std::memory_order_relaxed) != 0) {
      if (stays_mine()) return;
    }
    IPC_KILL_POINT("lock.before_release");
    if (!mutex.unlock()) refuse_release();
    IPC_KILL_POINT("lock.released");
  }
  /// Gives it up however often this thread has locked it, and takes it again as often.
  std::uint32_t release_all();
  void acquire_again(std::uint32_t times);
  bool recovered() const noexcept;
  bool is_mine() const noexcept { return mutex.is_mine(); }

  alignas(shm::cache_line) os::RobustMutex mutex;
  std::atomic<std::uint32_t> recovered_by{0};
  std::atomic<std::uint32_t> impatient{0};
  std::atomic<std::uint32_t> depth{0};
  std::uint32_t recursive;

 private:
  bool acquire_taken(detail::Deadline deadline);
  void let_impatient_pass(detail::Deadline deadline);
  os::LockOutcome wait_in_line(detail::Deadline deadline);
  bool entered(os::LockOutcome outcome) {
    if (outcome == os::LockOutcome::not_acquired || outcome == os::LockOutcome::already_mine) return false;
    if (outcome == os::LockOutcome::acquired_after_death) inherit();
    depth.store(1, std::memory_order_relaxed);  // Relaxed: only the holder writes it, and holders follow each other through the mutex.
    IPC_KILL_POINT("lock.acquired");
    return true;
  }
  void inherit();
  bool stays_mine() noexcept;
  [[noreturn]] static void refuse_release();
  bool enter_again() noexcept;
};
static_assert(sizeof(LockState) == 64 && std::is_trivially_destructible_v<LockState>);

}  // namespace ipc::sync
