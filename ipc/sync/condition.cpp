#include "ipc/sync/condition.hpp"

#include <algorithm>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include <ipc/condition.hpp>
#include <ipc/error.hpp>
#include <ipc/rlock.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/spin.hpp"
#include "ipc/os/futex.hpp"
#include "ipc/shm/object.hpp"

namespace ipc {
namespace sync {
namespace {

/// The kernel and the atomics agree on what lies there.
std::atomic<std::uint32_t>& futex_word(std::atomic<WaiterState>& state) noexcept {
  static_assert(sizeof state == sizeof(std::atomic<std::uint32_t>));
  return reinterpret_cast<std::atomic<std::uint32_t>&>(state);
}

void require_mine(const LockState& lock, const char* what) {
  if (!lock.is_mine()) throw UsageError(what);
}

}  // namespace

/// If the slot is a dead waiter's, makes it free and returns true.
bool ConditionState::bury(WaiterSlot& slot) {
  const os::LockOutcome outcome = slot.alive.try_lock();
  if (outcome == os::LockOutcome::not_acquired || outcome == os::LockOutcome::already_mine) return false;
  slot.state.store(WaiterState::free, std::memory_order_release);
  if (outcome == os::LockOutcome::acquired_after_death) slot.alive.make_consistent();
  slot.alive.unlock();
  return true;
}

WaiterSlot& ConditionState::take_slot() {
  for (std::uint32_t i = 0; i < ready; ++i) {
    // Relaxed, here and below where the lock is held: slots change under the lock.
    if (slot(i).state.load(std::memory_order_relaxed) == WaiterState::free) return slot(i);
  }
  if (ready < capacity) {
    WaiterSlot& fresh = *new (slots.data() + ready * shm::mutex_stride) WaiterSlot();
    std::atomic_signal_fence(std::memory_order_seq_cst);  // Who comes after our death finds it constructed if it is counted.
    ++ready;
    return fresh;
  }
  for (std::uint32_t i = 0; i < ready; ++i) {
    if (bury(slot(i))) return slot(i);
  }
  throw UsageError("More than " + std::to_string(capacity) + " threads wait for one condition.");
}

bool ConditionState::wait(LockState& lock, detail::Deadline deadline) {
  require_mine(lock, "This thread does not hold the condition's lock, and cannot wait.");
  WaiterSlot& own = take_slot();
  if (own.alive.lock() == os::LockOutcome::acquired_after_death) own.alive.make_consistent();
  own.order = ++next_order;
  own.state.store(WaiterState::waiting, std::memory_order_release);
  IPC_KILL_POINT("condition.waiting");
  const std::uint32_t times = lock.release_all();
  IPC_KILL_POINT("condition.released");
  sleep(own, deadline);
  lock.acquire_again(times);
  IPC_KILL_POINT("condition.woken");
  // Only now it is decided: who was notified between the deadline and the lock has used up a notification, and says so.
  const bool notified = own.state.load(std::memory_order_acquire) == WaiterState::notified;
  own.state.store(WaiterState::free, std::memory_order_release);
  own.alive.unlock();
  return notified;
}

void ConditionState::sleep(WaiterSlot& own, detail::Deadline deadline) {
  static thread_local base::SpinBudget budget;
  // Acquire, with the release in `notify`: nothing rests on it, since the lock comes after; it is the natural pair.
  const auto notified = [&] { return own.state.load(std::memory_order_acquire) != WaiterState::waiting; };
  if (!deadline.expired() && budget.spin(notified)) return;
  while (!notified()) {
    const auto result = os::futex_wait_slice(futex_word(own.state), static_cast<std::uint32_t>(WaiterState::waiting), deadline);
    if (result == os::FutexResult::timed_out) return;
    if (notified())
      budget.woke();
    else
      inherit(own);
  }
}

/// Takes over the notification of a waiter that died before it returned. Without the lock, which may be held for long: of
/// two who try, one gets the dead one's `alive`.
void ConditionState::inherit(WaiterSlot& own) {
  // Relaxed: constructed slots stay; one too few is found the next time.
  const std::uint32_t count = reinterpret_cast<std::atomic<std::uint32_t>&>(ready).load(std::memory_order_relaxed);
  for (std::uint32_t i = 0; i < count; ++i) {
    WaiterSlot& other = slot(i);
    if (&other == &own || other.state.load(std::memory_order_acquire) != WaiterState::notified) continue;
    const os::LockOutcome outcome = other.alive.try_lock();
    if (outcome != os::LockOutcome::acquired && outcome != os::LockOutcome::acquired_after_death) continue;
    auto expected = WaiterState::waiting;
    // The other's state is read again under its `alive`: another heir may have been faster. Should this process be killed
    // between the two stores, the notification counts twice, and somebody wakes for nothing.
    if (other.state.load(std::memory_order_acquire) == WaiterState::notified &&
        own.state.compare_exchange_strong(expected, WaiterState::notified, std::memory_order_acq_rel)) {
      IPC_KILL_POINT("condition.inherited");
      other.state.store(WaiterState::free, std::memory_order_release);
    }
    if (outcome == os::LockOutcome::acquired_after_death) other.alive.make_consistent();
    other.alive.unlock();
    return;
  }
}

void ConditionState::notify(LockState& lock, std::uint32_t n) {
  require_mine(lock, "This thread does not hold the condition's lock, and cannot notify.");
  std::array<std::uint32_t, capacity> waiting;
  std::size_t count = 0;
  for (std::uint32_t i = 0; i < ready; ++i) {
    const WaiterState state = slot(i).state.load(std::memory_order_acquire);
    if (state == WaiterState::free) continue;
    if (bury(slot(i))) {
      if (state == WaiterState::notified && n != UINT32_MAX) ++n;  // What the dead one had been given, it gives back.
    } else if (state == WaiterState::waiting) {
      waiting[count++] = i;
    }
  }
  std::sort(waiting.begin(), waiting.begin() + count, [this](std::uint32_t a, std::uint32_t b) { return slot(a).order < slot(b).order; });
  for (std::size_t i = 0; i < count && n != 0; ++i) {
    WaiterSlot& chosen = slot(waiting[i]);
    auto expected = WaiterState::waiting;
    if (!chosen.state.compare_exchange_strong(expected, WaiterState::notified, std::memory_order_acq_rel)) continue;
    --n;
    IPC_KILL_POINT("condition.notified");
    os::futex_wake(futex_word(chosen.state), 1);
  }
}

}  // namespace sync

Condition::Condition() : Condition(RLock()) {}
Condition::Condition(detail::LockHandle lock) : lock_(std::move(lock)), state_(shm::make_object<sync::ConditionState>()) {}
Condition Condition::named(std::string_view name, detail::NameUse use) {
  using sync::ConditionState;
  using sync::LockState;
  const auto parts = shm::Heap::instance()
                         .named({shm::Name(name),
                                 use,
                                 detail::type_tag_of(typeid(Condition)),
                                 detail::type_name<Condition>(),
                                 {{{LockState::kind, sizeof(LockState), LockState::mutexes}, sizeof(LockState)},
                                  {{ConditionState::kind, sizeof(ConditionState), ConditionState::mutexes}, sizeof(ConditionState)}},
                                 [](std::span<std::byte* const> at) {
                                   new (at[0]) LockState(true);
                                   new (at[1]) ConditionState();
                                 }})
                         .parts;
  return {detail::LockHandle({parts[0], reinterpret_cast<LockState*>(parts[0].get())}),
          {parts[1], reinterpret_cast<ConditionState*>(parts[1].get())}};
}
Condition::Condition(detail::LockHandle lock, std::shared_ptr<sync::ConditionState> state) noexcept
    : lock_(std::move(lock)), state_(std::move(state)) {}

bool Condition::wait_by(detail::Deadline deadline) const { return state_->wait(*lock_.state(), deadline); }
void Condition::require_lock() const {
  sync::require_mine(*lock_.state(), "This thread does not hold the condition's lock, and cannot wait.");
}

void Condition::notify(int n) const {
  if (n < 0) throw std::invalid_argument("A condition cannot notify " + std::to_string(n) + " waiters.");
  state_->notify(*lock_.state(), static_cast<std::uint32_t>(n));
}
void Condition::notify_all() const { state_->notify(*lock_.state(), UINT32_MAX); }

void Condition::ipc_encode(detail::Writer& writer) const {
  lock_.ipc_encode(writer);
  shm::encode_object(writer, state_);
}
Condition Condition::ipc_decode(detail::Reader& reader) {
  auto lock = detail::LockHandle::ipc_decode(reader);
  return {std::move(lock), shm::decode_object<sync::ConditionState>(reader)};
}

}  // namespace ipc
