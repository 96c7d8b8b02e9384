#include "ipc/os/robust_mutex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>

#include "ipc/base/sanitizer.hpp"
#include "ipc/os/at_fork.hpp"
#include "ipc/os/current.hpp"

namespace ipc::os {
namespace {

constexpr std::chrono::milliseconds longest_sleep(200);

void check_result(const char* name, int error) {
  if (error != 0) throw std::system_error(error, std::generic_category(), name);
}

/// Of a call that locks.
LockOutcome outcome(const char* name, int error) {
  switch (error) {
    case 0:
      ++robust_mutexes_held;
      return LockOutcome::acquired;
    case EOWNERDEAD:
      ++robust_mutexes_held;
      return LockOutcome::acquired_after_death;
    case EBUSY:
    case ETIMEDOUT:
      return LockOutcome::not_acquired;
    case EDEADLK:
      return LockOutcome::already_mine;
    default:
      throw std::system_error(error, std::generic_category(), name);
  }
}

timespec monotonic(detail::Deadline deadline) {
  // A moment that has passed long ago may lie before the clock's beginning, which the C library refuses.
  const auto since_boot = std::max(deadline.at().time_since_epoch(), detail::Deadline::Clock::duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  timespec at{};
  at.tv_sec = static_cast<time_t>(seconds.count());
  at.tv_nsec = static_cast<long>(std::chrono::nanoseconds(since_boot - seconds).count());
  return at;
}

thread_local pid_t known_thread_id = 0;

/// After a fork there is one thread, with another id, and it holds nothing.
void forget_thread() noexcept {
  known_thread_id = 0;
  robust_mutexes_held = 0;
}
[[maybe_unused]] const bool forgets_at_fork = (at_fork(nullptr, nullptr, forget_thread), true);

/// This thread's id without a system call.
pid_t this_thread() noexcept {
  if (known_thread_id == 0) known_thread_id = thread_id();
  return known_thread_id;
}

class Attributes {
 public:
  Attributes() {
    check_result("pthread_mutexattr_init", ::pthread_mutexattr_init(&attributes_));
    check_result("pthread_mutexattr_setpshared", ::pthread_mutexattr_setpshared(&attributes_, PTHREAD_PROCESS_SHARED));
    check_result("pthread_mutexattr_setrobust", ::pthread_mutexattr_setrobust(&attributes_, PTHREAD_MUTEX_ROBUST));
    check_result("pthread_mutexattr_settype", ::pthread_mutexattr_settype(&attributes_, PTHREAD_MUTEX_ERRORCHECK));
  }
  Attributes(const Attributes&) = delete;
  Attributes& operator=(const Attributes&) = delete;
  ~Attributes() { ::pthread_mutexattr_destroy(&attributes_); }
  const pthread_mutexattr_t* get() const { return &attributes_; }

 private:
  pthread_mutexattr_t attributes_;
};

}  // namespace

RobustMutex::RobustMutex() {
  static_assert(owner_died == FUTEX_OWNER_DIED && thread_mask == FUTEX_TID_MASK);
  const Attributes attributes;
  check_result("pthread_mutex_init", ::pthread_mutex_init(&mutex_, attributes.get()));
}

LockOutcome RobustMutex::lock() { return lock_until(detail::Deadline::never()); }

LockOutcome RobustMutex::why_not_locked(int error) const {
  // trylock does not tell the two apart.
  if (error == EBUSY && is_mine()) return LockOutcome::already_mine;
  return outcome("pthread_mutex_trylock", error);
}

LockOutcome RobustMutex::sleep_for_lock(detail::Deadline deadline) {
#ifdef IPC_THREAD_SANITIZER
  // ThreadSanitizer does not see clocklock take the mutex (nor timedlock from the dead), but trylock.
  do {
    const LockOutcome result = try_lock();
    if (result != LockOutcome::not_acquired) return result;
    sleep_until(detail::Deadline::after(std::chrono::microseconds(50)));
  } while (!deadline.expired());
  return LockOutcome::not_acquired;
#else
  const timespec at = monotonic(deadline);
  return outcome("pthread_mutex_clocklock", ::pthread_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &at));
#endif
}

LockOutcome RobustMutex::lock_until(detail::Deadline deadline) {
  const int error = ::pthread_mutex_trylock(&mutex_);
  if (error != EBUSY) return outcome("pthread_mutex_trylock", error);
  // SUBTLE: a wait without end could never end. Unlocking is a store and then a wake; when the unlocker is killed between
  // the two and a newcomer has taken the mutex by then, the kernel, which looks at the word, sees nothing to repair: the
  // sleepers keep sleeping, and the newcomer, who knows of none, will not wake them either. So each sleep is a slice, after
  // which the waiter announces itself anew.
  for (;;) {
    const LockOutcome result = sleep_for_lock(earlier(deadline, detail::Deadline::after(longest_sleep)));
    if (result != LockOutcome::not_acquired || (!deadline.is_never() && deadline.expired())) return result;
  }
}

void RobustMutex::make_consistent() { check_result("pthread_mutex_consistent", ::pthread_mutex_consistent(&mutex_)); }

bool RobustMutex::was_unlocked(int error) {
  if (error != EPERM) check_result("pthread_mutex_unlock", error);
  return false;
}

bool RobustMutex::is_mine() const noexcept {
  const pid_t thread = holder();
  return thread != 0 && thread == this_thread();
}

bool RobustMutex::is_held_here() const noexcept {
  const pid_t thread = holder();
  return thread != 0 && ::syscall(SYS_tgkill, process_id(), thread, 0) == 0;
}

void sleep_until(detail::Deadline deadline) {
  if (deadline.expired()) return;
  const timespec at = deadline.is_never() ? timespec{0x7fffffff, 0} : monotonic(deadline);
  while (::clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, nullptr) == EINTR) {
  }
}

}  // namespace ipc::os
