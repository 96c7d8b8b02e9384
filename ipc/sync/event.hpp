#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include <ipc/detail/deadline.hpp>

#include "ipc/shm/layout.hpp"
#include "ipc/sync/event_count.hpp"

namespace ipc::sync {

/// An event in shared memory. Any thread of any process.
/// The word:   bit 0      set
///             bits 1-31  how often it was set, so that a waiter who sleeps through `set` and `clear` knows
/// If a process is killed: each operation is one store to the word; for the wake, see `BasicEventCount`.
struct EventState {
  static constexpr shm::Kind kind = shm::Kind::event;
  static constexpr std::uint32_t mutexes = 0;

  void set();
  void clear() noexcept;
  // SYNC POINT "event": acquire, with the release in `set`: what was done before it is seen by those who find it set.
  bool is_set() const noexcept { return (word.load(std::memory_order_acquire) & 1) != 0; }
  bool wait(detail::Deadline deadline);

  std::atomic<std::uint32_t> word{0};
  EventCount waiters;
};
static_assert(sizeof(EventState) == 8 && std::is_standard_layout_v<EventState> && std::is_trivially_destructible_v<EventState>);

}  // namespace ipc::sync
