#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include <ipc/detail/deadline.hpp>

#include "ipc/os/robust_mutex.hpp"
#include "ipc/shm/layout.hpp"

namespace ipc::sync {

/// A semaphore in shared memory. Any thread of any process.
/// The word:   bits 0-30  the count
///             bit 31     the head waiter may sleep
/// Whoever cannot take a unit queues at the turnstile, a robust mutex; its holder, the head waiter, is the only one who
/// sleeps on the word. So a release wakes one, and the others wait in the kernel's queue of the mutex.
/// Invariants:
/// 1. Bit 31 is set by the head before it sleeps, and cleared by everyone who adds units; they wake the head if it was set.
/// 2. The count never exceeds `limit`.
/// If a process is killed: a unit that it had taken is gone with it (nobody knows whose it was: a semaphore has no owner);
/// as head waiter, the kernel hands the turnstile to the next, who looks at the word himself; as releaser between adding
/// and waking, the head looks again within 200 ms.
struct SemaphoreState {
  static constexpr shm::Kind kind = shm::Kind::semaphore;
  static constexpr std::uint32_t mutexes = 1;
  static constexpr std::uint32_t largest_count = 0x7fffffff;

  SemaphoreState(std::uint32_t count, std::uint32_t limit_) noexcept(false) : word(count), limit(limit_) {}

  bool try_acquire() noexcept;
  bool acquire(detail::Deadline deadline);
  /// False, and nothing happened, when the count would exceed the limit.
  bool release(std::uint32_t n) noexcept;
  std::uint32_t count() const noexcept { return word.load(std::memory_order_relaxed) & largest_count; }  // A snapshot anyway.

  alignas(shm::cache_line) os::RobustMutex turnstile;
  alignas(shm::cache_line) std::atomic<std::uint32_t> word;
  std::uint32_t limit;

 private:
  bool wait_as_head(detail::Deadline deadline);
};
static_assert(sizeof(SemaphoreState) == 128 && std::is_trivially_destructible_v<SemaphoreState>);

}  // namespace ipc::sync
