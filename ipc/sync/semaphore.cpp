#include "ipc/sync/semaphore.hpp"

#include <stdexcept>
#include <string>

#include <ipc/error.hpp>
#include <ipc/semaphore.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/scope_exit.hpp"
#include "ipc/base/spin.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/futex.hpp"
#include "ipc/shm/object.hpp"

namespace ipc {
namespace sync {
namespace {

constexpr std::uint32_t head_sleeps = 0x80000000;

}  // namespace

bool SemaphoreState::try_acquire() noexcept {
  std::uint32_t value = word.load(std::memory_order_relaxed);  // Relaxed: a guess that the exchange checks.
  while ((value & largest_count) != 0) {
    // SYNC POINT "unit": acquire, with the release in `release`: what was done before giving a unit is seen by its taker.
    if (word.compare_exchange_weak(value, value - 1, std::memory_order_acquire, std::memory_order_relaxed)) {
      IPC_KILL_POINT("semaphore.acquired");
      return true;
    }
  }
  return false;
}

bool SemaphoreState::acquire(detail::Deadline deadline) {
  static thread_local base::SpinBudget budget(os::allowed_cpus());
  if (try_acquire()) return true;
  if (deadline.expired()) return false;
  base::Backoff backoff;
  const auto look = [&] {
    backoff.pause();
    return try_acquire();
  };
  if (budget.spin(look, base::Backoff::looks_at_once)) return true;
  const os::LockOutcome outcome = turnstile.lock_until(deadline);
  if (outcome == os::LockOutcome::not_acquired) return try_acquire();
  // A dead head leaves nothing to repair.
  if (outcome == os::LockOutcome::acquired_after_death) turnstile.make_consistent();
  const base::ScopeExit leave([this] { turnstile.unlock(); });
  IPC_KILL_POINT("semaphore.head");
  const bool acquired = wait_as_head(deadline);
  if (acquired) budget.woke();
  return acquired;
}

bool SemaphoreState::wait_as_head(detail::Deadline deadline) {
  for (;;) {
    if (try_acquire()) return true;
    std::uint32_t empty = 0;
    // Relaxed: says only that somebody sleeps; the kernel compares the word under its own lock.
    word.compare_exchange_strong(empty, head_sleeps, std::memory_order_relaxed);
    if ((empty & largest_count) != 0) continue;
    IPC_KILL_POINT("semaphore.before_sleep");
    if (os::futex_wait_slice(word, head_sleeps, deadline) == os::FutexResult::timed_out) return try_acquire();
  }
}

bool SemaphoreState::release(std::uint32_t n) noexcept {
  std::uint32_t value = word.load(std::memory_order_relaxed);
  do {
    if ((value & largest_count) > limit || n > limit - (value & largest_count)) return false;
    // SYNC POINT "unit".
  } while (!word.compare_exchange_weak(value, (value & largest_count) + n, std::memory_order_release, std::memory_order_relaxed));
  IPC_KILL_POINT("semaphore.released");
  if ((value & head_sleeps) != 0) os::futex_wake(word, 1);
  return true;
}

}  // namespace sync

namespace {

std::uint32_t checked_count(int n) {
  if (n < 0) throw std::invalid_argument("A semaphore cannot begin with " + std::to_string(n) + " units.");
  return static_cast<std::uint32_t>(n);
}

std::shared_ptr<sync::SemaphoreState> make_semaphore(int n, std::uint32_t limit) {
  return shm::make_object<sync::SemaphoreState>(checked_count(n), limit);
}

}  // namespace

Semaphore::Semaphore(int n) : state_(make_semaphore(n, sync::SemaphoreState::largest_count)) {}
Semaphore Semaphore::named(std::string_view name, detail::NameUse use, int n) {
  return Semaphore(shm::named_object<Semaphore, sync::SemaphoreState>(name, use, checked_count(n), sync::SemaphoreState::largest_count));
}
Semaphore::Semaphore(std::shared_ptr<sync::SemaphoreState> state) noexcept : state_(std::move(state)) {}

void Semaphore::acquire() const { state_->acquire(detail::Deadline::never()); }
bool Semaphore::try_acquire() const { return state_->try_acquire(); }
bool Semaphore::acquire_by(detail::Deadline deadline) const { return state_->acquire(deadline); }
int Semaphore::get_value() const { return static_cast<int>(state_->count()); }

void Semaphore::release(int n) const {
  if (n < 1) throw std::invalid_argument("A semaphore is released by at least one unit, not " + std::to_string(n) + ".");
  if (state_->release(static_cast<std::uint32_t>(n))) return;
  if (state_->limit == sync::SemaphoreState::largest_count) throw std::overflow_error("The semaphore's count would exceed 2147483647.");
  throw std::invalid_argument("The bounded semaphore was released more often than it was acquired.");
}

void Semaphore::ipc_encode(detail::Writer& writer) const { shm::encode_object(writer, state_); }
Semaphore Semaphore::ipc_decode(detail::Reader& reader) { return Semaphore(shm::decode_object<sync::SemaphoreState>(reader)); }

BoundedSemaphore::BoundedSemaphore(int n) : Semaphore(make_semaphore(n, static_cast<std::uint32_t>(n))) {}
BoundedSemaphore::BoundedSemaphore(std::shared_ptr<sync::SemaphoreState> state) noexcept : Semaphore(std::move(state)) {}
BoundedSemaphore BoundedSemaphore::named(std::string_view name, detail::NameUse use, int n) {
  const std::uint32_t limit = checked_count(n);
  auto state = shm::named_object<BoundedSemaphore, sync::SemaphoreState>(name, use, limit, limit);
  if (use == detail::NameUse::open_or_create && state->limit != limit) {
    throw UsageError("The bounded semaphore named \"" + std::string(name) + "\" has the bound " + std::to_string(state->limit) + ", not " +
                     std::to_string(limit) + ".");
  }
  return BoundedSemaphore(std::move(state));
}
BoundedSemaphore::BoundedSemaphore(Semaphore semaphore) noexcept : Semaphore(std::move(semaphore)) {}
BoundedSemaphore BoundedSemaphore::ipc_decode(detail::Reader& reader) { return BoundedSemaphore(Semaphore::ipc_decode(reader)); }

}  // namespace ipc
