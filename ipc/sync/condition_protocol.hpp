#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>

#include <ipc/detail/deadline.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/futex.hpp"
#include "ipc/os/robust_mutex.hpp"

namespace ipc::sync {

enum class WaiterState : std::uint32_t { free = 0, waiting = 1, notified = 2 };

/// How a condition waits and notifies, over whatever memory: `ConditionState` in earnest, and in tests a model of which every
/// schedule is tried. What a waiter's slot is, and what holds for it, stands at `WaiterSlot`. `Memory` has, for slots by index:
///
///   state(i), store(i, s), exchange(i, from, to)   the word that its owner sleeps on, each one atomic step
///   sleep(i, deadline), wake(i)                    on that word, while it is `waiting`
///   lock_alive(i), try_lock_alive(i), unlock_alive(i, outcome)
///   order(i), set_order(i, n)                      plain memory, as the next three
///   ready(), add_slot()                            how many slots have been constructed; constructs one more
///   next_order()                                   counts up
///   release_lock(), acquire_lock(times)            the condition's own lock, however often this thread has it
///   spin(ready), woke()                            a waiter's patience before it sleeps
///   capacity                                       how many slots there may be
///
/// All is under the condition's lock, unless said otherwise. A view; made for one call.
template <class Memory>
class ConditionProtocol {
 public:
  static constexpr std::uint32_t everybody = UINT32_MAX;

  explicit ConditionProtocol(Memory& memory) noexcept : memory_(memory) {}

  /// Whether it was notified before the deadline; nothing when there are too many that wait.
  enum class Result { notified, timed_out, full };
  Result wait(detail::Deadline deadline) {
    const std::uint32_t own = take_slot();
    if (own == Memory::capacity) return Result::full;
    memory_.lock_alive(own);
    memory_.set_order(own, memory_.next_order());
    memory_.store(own, WaiterState::waiting);
    IPC_KILL_POINT("condition.waiting");
    const std::uint32_t times = memory_.release_lock();
    IPC_KILL_POINT("condition.released");
    sleep(own, deadline);
    memory_.acquire_lock(times);
    IPC_KILL_POINT("condition.woken");
    // Only now it is decided: who was notified between the deadline and the lock has used up a notification, and says so.
    const bool notified = memory_.state(own) == WaiterState::notified;
    memory_.store(own, WaiterState::free);
    memory_.unlock_alive(own, os::LockOutcome::acquired);
    return notified ? Result::notified : Result::timed_out;
  }

  /// The `n` living waiters that wait longest. No waiter acknowledges anything, so that a dead one is nobody's concern.
  void notify(std::uint32_t n) {
    struct Waiter {
      std::uint32_t slot;
      std::uint64_t order;
    };
    std::array<Waiter, Memory::capacity> waiting;
    std::size_t count = 0;
    const std::uint32_t ready = memory_.ready();
    for (std::uint32_t i = 0; i < ready; ++i) {
      const WaiterState state = memory_.state(i);
      if (state == WaiterState::free) continue;
      if (bury(i)) {
        if (state == WaiterState::notified && n != everybody) ++n;  // What the dead one had been given, it gives back.
      } else if (state == WaiterState::waiting) {
        waiting[count++] = {i, memory_.order(i)};
      }
    }
    std::sort(waiting.begin(), waiting.begin() + count, [](const Waiter& a, const Waiter& b) { return a.order < b.order; });
    for (std::size_t i = 0; i < count && n != 0; ++i) {
      if (!memory_.exchange(waiting[i].slot, WaiterState::waiting, WaiterState::notified)) continue;
      --n;
      IPC_KILL_POINT("condition.notified");
      memory_.wake(waiting[i].slot);
    }
  }

 private:
  /// `capacity` when there is none.
  std::uint32_t take_slot() {
    const std::uint32_t ready = memory_.ready();
    for (std::uint32_t i = 0; i < ready; ++i) {
      if (memory_.state(i) == WaiterState::free) return i;
    }
    if (ready < Memory::capacity) {
      memory_.add_slot();
      return ready;
    }
    for (std::uint32_t i = 0; i < ready; ++i) {
      if (bury(i)) return i;
    }
    return Memory::capacity;
  }

  /// If the slot is a dead waiter's, makes it free and returns true.
  bool bury(std::uint32_t slot) {
    const os::LockOutcome outcome = memory_.try_lock_alive(slot);
    if (!is_taken(outcome)) return false;
    memory_.store(slot, WaiterState::free);
    memory_.unlock_alive(slot, outcome);
    return true;
  }

  /// Without the lock.
  void sleep(std::uint32_t own, detail::Deadline deadline) {
    const auto notified = [&] { return memory_.state(own) != WaiterState::waiting; };
    if (!deadline.expired() && memory_.spin(notified)) return;
    while (!notified()) {
      const os::FutexResult result = memory_.sleep(own, deadline);
      if (result == os::FutexResult::timed_out) return;
      if (notified())
        memory_.woke();
      else
        inherit(own);
    }
  }

  /// Takes over the notification of a waiter that died before it returned. Without the lock, which may be held for long: of
  /// two who try, one gets the dead one's `alive`.
  void inherit(std::uint32_t own) {
    const std::uint32_t ready = memory_.ready();  // Constructed slots stay; one too few is found the next time.
    for (std::uint32_t i = 0; i < ready; ++i) {
      if (i == own || memory_.state(i) != WaiterState::notified) continue;
      const os::LockOutcome outcome = memory_.try_lock_alive(i);
      if (!is_taken(outcome)) continue;
      // The other's state is read again under its `alive`: another heir may have been faster. Should this process be killed
      // between the two stores, the notification counts twice, and somebody wakes for nothing.
      if (memory_.state(i) == WaiterState::notified && memory_.exchange(own, WaiterState::waiting, WaiterState::notified)) {
        IPC_KILL_POINT("condition.inherited");
        memory_.store(i, WaiterState::free);
      }
      memory_.unlock_alive(i, outcome);
      return;
    }
  }

  static bool is_taken(os::LockOutcome outcome) noexcept {
    return outcome == os::LockOutcome::acquired || outcome == os::LockOutcome::acquired_after_death;
  }

  Memory& memory_;
};

}  // namespace ipc::sync
