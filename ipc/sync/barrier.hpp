#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <type_traits>
#include <utility>

#include <ipc/detail/deadline.hpp>

#include "ipc/os/robust_mutex.hpp"
#include "ipc/shm/layout.hpp"
#include "ipc/sync/event_count.hpp"

namespace ipc::sync {

/// A party's place in a barrier. Taken under the barrier's mutex, given back without it.
/// Invariant: `alive` is held by the party from before `occupied` is set until after it is cleared; so an occupied place
/// whose `alive` can be locked is a dead party's.
struct BarrierPlace {
  os::RobustMutex alive;
  std::atomic<std::uint32_t> occupied{0};
  std::atomic<std::uint32_t> broken{0};  ///< The round the party waits for was broken.
  std::atomic<std::uint64_t> round{0};   ///< In which it arrived.
};
static_assert(sizeof(BarrierPlace) <= 64 && std::is_standard_layout_v<BarrierPlace> && std::is_trivially_destructible_v<BarrierPlace>);

/// A barrier in shared memory, followed by `parties - 1` places, one a cache line: the last party to arrive takes none.
/// Any thread of any process.
/// Invariants:
/// 1. A party that arrived in a round has passed when `round` is greater than that, and its place not `broken`. Storing
///    `round` is what lets everybody pass.
/// 2. The barrier is broken while `broken_round` equals `round`; before that, all places that wait are marked.
/// 3. Both change under the mutex only, and `changed` is notified afterwards; also when a place becomes free.
/// If a process is killed: waiting in a round, it breaks the round (the others were promised that all arrive), which they
/// notice within 200 ms; in the action, or before its arrival was complete, likewise, if anybody waits; having passed, its
/// place is used again; after `round` was stored and before the wake, the others look within 200 ms.
struct BarrierState {
  static constexpr shm::Kind kind = shm::Kind::barrier;
  static constexpr std::uint64_t none = ~std::uint64_t{0};
  static constexpr std::size_t size_for(std::uint32_t parties) { return shm::mutex_stride * (1 + std::size_t{parties}); }

  BarrierState(std::uint32_t parties_, std::int64_t timeout_ns_);

  /// The order of arrival. Throws `BrokenBarrier`, and what `action` throws.
  std::uint32_t wait(const std::function<void()>& action, detail::Deadline deadline);
  void abort();
  void reset();
  std::uint32_t waiting() const noexcept;
  bool broken() const noexcept;

  alignas(shm::cache_line) os::RobustMutex mutex;
  std::uint32_t parties;
  std::uint32_t acting = 0;  ///< Mutex. 1 while the last party runs the action.
  std::int64_t timeout_ns;   ///< For waits without a time; negative: none.
  // This line is where the arena looks for the second mutex, and finds none.
  alignas(shm::cache_line) std::uint64_t no_mutex = 0;
  std::atomic<std::uint64_t> round{0};
  std::atomic<std::uint64_t> broken_round{none};
  EventCount changed;

 private:
  struct Arrival {
    std::uint32_t index = 0;
    bool passed = false;            ///< As the last one.
    BarrierPlace* place = nullptr;  ///< Null as well when there was none: to be tried again.
    std::uint64_t round = 0;
  };
  auto lock();
  const BarrierPlace& place(std::uint32_t index) const noexcept {
    return *reinterpret_cast<const BarrierPlace*>(reinterpret_cast<const std::byte*>(this) + shm::mutex_stride * (2 + index));
  }
  BarrierPlace& place(std::uint32_t index) noexcept { return const_cast<BarrierPlace&>(std::as_const(*this).place(index)); }
  std::uint32_t places() const noexcept { return parties - 1; }
  bool waits(std::uint32_t index) const noexcept;
  std::uint32_t count_arrived() const noexcept;
  bool bury(BarrierPlace& at);
  bool bury_waiting();
  BarrierPlace* free_place();
  bool has_free_place() const noexcept;
  void break_round() noexcept;
  Arrival arrive(const std::function<void()>& action);
  void wait_for_round(const Arrival& own, detail::Deadline deadline);
};
static_assert(sizeof(BarrierState) == 2 * shm::mutex_stride && offsetof(BarrierState, mutex) == 0 &&
              std::is_trivially_destructible_v<BarrierState>);

}  // namespace ipc::sync
