#include "ipc/sync/lock.hpp"

#include <algorithm>
#include <string>

#include <ipc/error.hpp>
#include <ipc/lock.hpp>
#include <ipc/rlock.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/spin.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/futex.hpp"
#include "ipc/shm/object.hpp"

namespace ipc {
namespace sync {
namespace {

/// How long a newcomer stands back at most: longer than a wake takes, and short enough to lose when its asker is dead.
constexpr std::chrono::milliseconds overtaking_pause(2);
constexpr std::chrono::milliseconds longest_patience(200);

}  // namespace

void LockState::inherit() {
  IPC_KILL_POINT("lock.inherited");
  // Relaxed, here and below: only the holder writes it, and holders follow each other through the mutex.
  recovered_by.store(static_cast<std::uint32_t>(os::thread_id()), std::memory_order_relaxed);
  IPC_KILL_POINT("lock.recovered");
  mutex.make_consistent();
}

bool LockState::enter_again() noexcept {
  if (recursive == 0 || !mutex.is_mine()) return false;
  depth.store(depth.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  return true;
}

bool LockState::acquire_taken(detail::Deadline deadline) {
  if (deadline.expired()) return try_acquire();
  if (enter_again()) return true;
  static thread_local base::SpinBudget budget(os::allowed_cpus());
  if (impatient.load(std::memory_order_relaxed) != 0) let_impatient_pass(deadline);
  auto outcome = os::LockOutcome::not_acquired;
  base::Backoff backoff;
  const auto look = [&] {
    backoff.pause();
    if (!mutex.looks_free()) return false;
    outcome = mutex.try_lock();
    return outcome != os::LockOutcome::not_acquired;
  };
  budget.spin(look, base::Backoff::looks_at_once);
  if (outcome == os::LockOutcome::not_acquired) {
    outcome = wait_in_line(deadline);
    if (outcome == os::LockOutcome::acquired) budget.woke();
  }
  if (outcome == os::LockOutcome::already_mine) {
    if (deadline.is_never()) throw UsageError("This thread holds the lock already: waiting for it would never end. (Use an RLock.)");
    os::sleep_until(deadline);
    return false;
  }
  return entered(outcome);
}

void LockState::let_impatient_pass(detail::Deadline deadline) {
  // Relaxed, as every use of the mark: whether it is seen early or late decides about patience, not about exclusion.
  if (mutex.is_mine()) return;
  os::futex_wait(impatient, 1, earlier(deadline, detail::Deadline::after(overtaking_pause)));
  impatient.store(0, std::memory_order_relaxed);
}

os::LockOutcome LockState::wait_in_line(detail::Deadline deadline) {
  // The mutex goes to whoever comes first after an unlock, and that is mostly the one that just had it: a woken waiter needs
  // tens of microseconds to run. So after a while a waiter asks newcomers to let it pass.
  bool asked = false;
  std::chrono::milliseconds patience(1);
  for (;;) {
    const os::LockOutcome outcome = mutex.lock_until(earlier(deadline, detail::Deadline::after(patience)));
    if (outcome == os::LockOutcome::not_acquired && !deadline.expired()) {
      impatient.store(1, std::memory_order_relaxed);
      asked = true;
      patience = std::min(2 * patience, longest_patience);
      continue;
    }
    if (asked) {
      impatient.store(0, std::memory_order_relaxed);
      os::futex_wake(impatient, os::wake_all);
    }
    return outcome;
  }
}

bool LockState::try_acquire() {
  if (enter_again()) return true;
  const os::LockOutcome outcome = mutex.try_lock();
  return outcome != os::LockOutcome::already_mine && entered(outcome);
}

bool LockState::stays_mine() noexcept {
  if (!mutex.is_mine()) return false;
  const std::uint32_t times = depth.load(std::memory_order_relaxed);
  if (times > 1) {
    depth.store(times - 1, std::memory_order_relaxed);
    return true;
  }
  recovered_by.store(0, std::memory_order_relaxed);
  return false;
}

void LockState::refuse_release() { throw UsageError("This thread does not hold the lock."); }

std::uint32_t LockState::release_all() {
  const std::uint32_t times = depth.load(std::memory_order_relaxed);
  depth.store(1, std::memory_order_relaxed);
  release();
  return times;
}

void LockState::acquire_again(std::uint32_t times) {
  acquire(detail::Deadline::never());
  depth.store(times, std::memory_order_relaxed);
}

bool LockState::recovered() const noexcept {
  const std::uint32_t by = recovered_by.load(std::memory_order_relaxed);
  return by != 0 && static_cast<pid_t>(by) == mutex.holder();
}

}  // namespace sync

namespace detail {
namespace {

constexpr std::int32_t most_held = 2000;

/// Not for the library's own locks, which must not fail.
void require_few_held(const sync::LockState& wanted) {
  if (os::robust_mutexes_held < most_held || (wanted.recursive != 0 && wanted.is_mine())) return;
  throw UsageError("This thread holds " + std::to_string(most_held) +
                   " locks: were it killed, the kernel would give no more of them to others.");
}

}  // namespace

LockHandle::LockHandle(bool recursive) : state_(shm::make_object<sync::LockState>(recursive)) {}
LockHandle::LockHandle(std::shared_ptr<sync::LockState> state) noexcept : state_(std::move(state)) {}

void LockHandle::lock() const {
  require_few_held(*state_);
  state_->acquire(Deadline::never());
}
bool LockHandle::try_lock() const {
  require_few_held(*state_);
  return state_->try_acquire();
}
bool LockHandle::lock_by(Deadline deadline) const {
  require_few_held(*state_);
  return state_->acquire(deadline);
}
void LockHandle::unlock() const { state_->release(); }
bool LockHandle::recovered() const { return state_->recovered(); }

void LockHandle::ipc_encode(Writer& writer) const { shm::encode_object(writer, state_); }
LockHandle LockHandle::ipc_decode(Reader& reader) { return LockHandle(shm::decode_object<sync::LockState>(reader)); }
LockHandle LockHandle::decode(Reader& reader, bool recursive) {
  LockHandle handle = ipc_decode(reader);
  if ((handle.state_->recursive != 0) != recursive) throw EncodingError("A Lock was decoded as an RLock, or an RLock as a Lock.");
  return handle;
}

bool is_locked_again(const LockHandle& lock) noexcept {
  return lock.state()->depth.load(std::memory_order_relaxed) > 1;  // Relaxed: only the holder writes it.
}

void LockHold::unlock() noexcept { state_->release(); }
bool LockHold::recovered() const { return state_->recovered(); }

}  // namespace detail

Lock::Lock() : LockHandle(false) {}
Lock Lock::named(std::string_view name, detail::NameUse use) {
  return Lock(detail::LockHandle(shm::named_object<Lock, sync::LockState>(name, use, false)));
}
Lock Lock::ipc_decode(detail::Reader& reader) { return Lock(decode(reader, false)); }

RLock::RLock() : LockHandle(true) {}
RLock RLock::named(std::string_view name, detail::NameUse use) {
  return RLock(detail::LockHandle(shm::named_object<RLock, sync::LockState>(name, use, true)));
}
RLock RLock::ipc_decode(detail::Reader& reader) { return RLock(decode(reader, true)); }

}  // namespace ipc
