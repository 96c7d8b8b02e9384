#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <ipc/detail/deadline.hpp>

#include "ipc/os/robust_mutex.hpp"
#include "ipc/shm/layout.hpp"
#include "ipc/sync/condition_protocol.hpp"
#include "ipc/sync/lock.hpp"

namespace ipc::sync {

/// One that waits. All but the owner's sleep happens under the condition's lock, unless said otherwise.
/// Invariants:
/// 1. `alive` is held by the waiter from before `state` leaves `free` until after it returns there; so a slot which is not
///    free, but whose `alive` can be locked, is a dead waiter's.
/// 2. `state` is what the waiter sleeps on. It goes from `waiting` to `notified` under the lock, or without it by the
///    waiter's own hand (see `ConditionProtocol::inherit`).
struct WaiterSlot {
  os::RobustMutex alive;
  std::atomic<WaiterState> state{WaiterState::free};
  std::uint32_t reserved = 0;
  std::uint64_t order = 0;  ///< Who waits longer has the smaller one.
};
static_assert(sizeof(WaiterSlot) <= 64 && std::is_standard_layout_v<WaiterSlot> && std::is_trivially_destructible_v<WaiterSlot>);

/// A condition in shared memory; its lock is an object of its own. Any thread of any process.
/// What happens in it is the `ConditionProtocol`.
/// Invariant: the first `ready` slots have been constructed.
/// If a process is killed: waiting, its slot is recognised as dead, skipped and used again; notified, but not returned from
/// `wait` yet, its notification goes to another waiter, at the next `notify` or within 200 ms; notifying, before the store
/// to a slot, that waiter was not notified, after it, it finds out within 200 ms. Inside `wait` or `notify` it holds the
/// lock, whose next holder is told.
struct ConditionState {
  static constexpr shm::Kind kind = shm::Kind::condition;
  static constexpr std::uint32_t capacity = 512;
  static constexpr std::uint32_t mutexes = capacity;

  /// Throws `UsageError` when this thread does not hold `lock`. Whether it was notified before the deadline.
  bool wait(LockState& lock, detail::Deadline deadline);
  void notify(LockState& lock, std::uint32_t n);

  /// Memory is zero until a slot is used for the first time.
  alignas(shm::cache_line) std::array<std::byte, capacity * shm::mutex_stride> slots{};
  std::uint64_t next_order = 0;
  std::uint32_t ready = 0;

 private:
  class Memory;
  WaiterSlot& slot(std::uint32_t index) noexcept { return *reinterpret_cast<WaiterSlot*>(slots.data() + index * shm::mutex_stride); }
};
static_assert(offsetof(ConditionState, slots) == 0 && std::is_trivially_destructible_v<ConditionState>);

}  // namespace ipc::sync
