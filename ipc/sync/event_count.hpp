#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include <ipc/detail/deadline.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/sanitizer.hpp"
#include "ipc/base/spin.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/futex.hpp"

namespace ipc::sync {

/// What an event count stands on in earnest. Tests put a model in its place and try every schedule.
struct FutexPlatform {
  using Word = std::atomic<std::uint32_t>;
  /// A load that comes after the caller's earlier stores in every thread's eyes.
  static std::uint32_t load_after_stores(Word& word) {
#ifdef IPC_THREAD_SANITIZER
    return word.fetch_add(0, std::memory_order_seq_cst);  // ThreadSanitizer does not know fences.
#else
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return word.load(std::memory_order_relaxed);  // Relaxed: ordered by the fence.
#endif
  }
  /// The same for a caller that has let go of a robust mutex after those stores.
  static std::uint32_t load_after_unlock(Word& word) {
#if defined(__x86_64__) && !defined(IPC_THREAD_SANITIZER)
    // SUBTLE: unlocking exchanges the word, to learn of sleepers; such an instruction is a fence here. Only the compiler has to know.
    std::atomic_signal_fence(std::memory_order_seq_cst);
    return word.load(std::memory_order_relaxed);
#else
    return load_after_stores(word);
#endif
  }
  /// Sets a bit; loads that follow come after it in every thread's eyes.
  static std::uint32_t set_before_loads(Word& word, std::uint32_t bit) {
    const std::uint32_t old = word.fetch_or(bit, std::memory_order_seq_cst);
#ifndef IPC_THREAD_SANITIZER
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
    return old;
  }
  static os::FutexResult sleep(const Word& word, std::uint32_t expected, detail::Deadline deadline) {
    return os::futex_wait_slice(word, expected, deadline);
  }
  static void wake(Word& word) { os::futex_wake(word, os::wake_all); }
  static base::SpinBudget& spin_budget() {
    // A thread's own: what paid for its last waits is the best guess for the next, whatever it waits for.
    static thread_local base::SpinBudget budget(os::allowed_cpus());
    return budget;
  }
};

/// How one waits for a condition at a word of which others set and wake what they like, as long as a notifier changes it where it
/// finds bit `sleeper`. Returns true once `condition()` was true, false when the deadline passed before. Spins a little, then
/// sleeps; `slept(result)` is called after each sleep, before the next look.
template <class Platform, class Condition, class Slept>
bool wait_at(typename Platform::Word& word, std::uint32_t sleeper, Condition condition, detail::Deadline deadline, Slept slept) {
  auto& budget = Platform::spin_budget();
  if (condition()) return true;
  if (deadline.expired()) return false;
  if (budget.spin(condition)) return true;
  for (;;) {
    const std::uint32_t value = Platform::set_before_loads(word, sleeper) | sleeper;
    if (condition()) return true;
    IPC_KILL_POINT("event_count.before_sleep");
    const os::FutexResult result = Platform::sleep(word, value, deadline);
    slept(result);
    if (condition()) {
      budget.woke();
      return true;
    }
    if (result == os::FutexResult::timed_out) return false;
  }
}

/// How somebody waits for a condition that lies in shared memory: those who make it true call `notify_all` afterwards,
/// which costs a fence and a load while nobody sleeps. Lies in shared memory itself; any thread of any process.
///
/// The word:   bit 0      somebody may sleep
///             bits 1-31  sequence: advances whenever sleepers are woken
///
/// SYNC POINT "condition before sleep": a notifier stores the condition, then (fence) reads the word; a waiter sets bit 0,
/// then (fence) reads the condition. One of the two sees the other: either the waiter finds the condition, or the notifier
/// finds the bit and changes the word, and then the kernel refuses to let the waiter sleep, or wakes it.
///
/// If a process is killed: a waiter leaves bit 0 set, which costs the next notifier one call for nothing and is cleared by
/// it. A notifier killed before its wake leaves sleepers who look again after at most 200 ms (os::futex_wait_slice).
template <class Platform>
class BasicEventCount {
 public:
  /// Returns true once `condition()` was true, false when the deadline passed before. Spins a little, then sleeps.
  template <class Condition>
  bool wait(Condition condition, detail::Deadline deadline) {
    return wait_at<Platform>(word_, sleeper, condition, deadline, [](os::FutexResult) {});
  }

  /// To be called after the condition has been made true.
  void notify_all() {
    std::uint32_t value = Platform::load_after_stores(word_);
    if ((value & sleeper) == 0) return;
    IPC_KILL_POINT("event_count.before_advance");
    // odd + 1: clears the bit and carries into the sequence. If it fails, another notifier has done the same since the load
    // above and wakes everybody; who came to sleep after that has seen our condition.
    // Relaxed: nothing is published by it; the condition has been, and the kernel's own locks order word and queue.
    if (!word_.compare_exchange_strong(value, value + 1, std::memory_order_relaxed)) return;
    IPC_KILL_POINT("event_count.before_wake");
    Platform::wake(word_);
  }
  /// A look without the fence: true means that `notify_all` has something to do, false only that it probably has not.
  bool sleeper_seen() const noexcept { return (word_.load(std::memory_order_relaxed) & sleeper) != 0; }

 private:
  static constexpr std::uint32_t sleeper = 1;

  typename Platform::Word word_{0};
};

using EventCount = BasicEventCount<FutexPlatform>;
static_assert(sizeof(EventCount) == 4 && std::is_standard_layout_v<EventCount> && std::is_trivially_destructible_v<EventCount>);

}  // namespace ipc::sync
