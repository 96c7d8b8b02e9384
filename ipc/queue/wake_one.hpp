#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include <ipc/detail/deadline.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/sync/event_count.hpp"

namespace ipc::queues {

/// What `WakeOne` stands on in earnest; tests put a model in its place.
struct WakeOnePlatform : sync::FutexPlatform {
  static std::uint32_t clear(Word& word, std::uint32_t bit) { return word.fetch_and(~bit, std::memory_order_seq_cst); }
  static int wake_first(Word& word) { return os::futex_wake(word, 1); }
};

/// An event count for things that one waiter uses up: each notification wakes one sleeper, the one that sleeps longest, and
/// no further one before that has come and looked. Lies in shared memory; any thread of any process.
///
/// The word:   bit 0      somebody may sleep
///             bit 1      called: a sleeper has been woken and has not come yet
///             bits 2-31  sequence: advances with each call
///
/// Whoever makes the condition true calls `notify_one` afterwards; whoever has used up what it waited for calls `pass_on`,
/// since notifications that came between a call and its answer have woken nobody.
///
/// SYNC POINT "condition before sleep": as in sync::BasicEventCount. A notifier that finds bit 1 set stored its condition
/// before the called one clears the bit, so that one sees it and passes it on.
///
/// If a process is killed: called and not come, the bits it leaves let others sleep until their slice of 200 ms is over;
/// whoever's is over answers in its place. A notifier killed before its wake: likewise.
template <class Platform>
class BasicWakeOne {
 public:
  /// Returns true once `condition()` was true, false when the deadline passed before. Spins a little, then sleeps.
  template <class Condition>
  bool wait(Condition condition, detail::Deadline deadline) {
    return sync::wait_at<Platform>(word_, sleeper, condition, deadline, [this](os::FutexResult result) {
      if (result != os::FutexResult::woken) return;
      IPC_KILL_POINT("wake_one.woken");
      // The call cleared bit 0 for all; the others may still sleep.
      Platform::clear(word_, called);
      Platform::set_before_loads(word_, sleeper);
    });
  }

  /// To be called after the condition has been made true.
  void notify_one() { notify_one(Platform::load_after_stores(word_)); }
  /// To be called after the condition has been made true, and a robust mutex let go of then.
  void notify_one_after_unlock() { notify_one(Platform::load_after_unlock(word_)); }
  /// To be called by a waiter that has used up what it was waiting for, and by one that leaves without.
  template <class Condition>
  void pass_on(Condition condition) {
    // Relaxed: what was notified while this thread was called came before its answer; see above.
    if ((word_.load(std::memory_order_relaxed) & (sleeper | called)) == sleeper && condition()) notify_one();
  }

  /// For conditions that do not get used up: wakes everybody.
  void notify_all() {
    std::uint32_t value = Platform::load_after_stores(word_);
    while (!word_.compare_exchange_strong(value, (value & ~(sleeper | called)) + step, std::memory_order_relaxed)) {
    }
    Platform::wake(word_);
  }

 private:
  void notify_one(std::uint32_t value) {
    for (;; value = Platform::load_after_stores(word_)) {
      if ((value & (sleeper | called)) != sleeper) return;
      // If it fails, another notifier has called somebody since the load above, who will see our condition, too.
      // Relaxed: nothing is published by it.
      if (!word_.compare_exchange_strong(value, value - sleeper + called + step, std::memory_order_relaxed)) return;
      IPC_KILL_POINT("wake_one.before_wake");
      if (Platform::wake_first(word_) != 0) return;
      // Nobody slept. Whoever has come to sleep since then must not be passed over for a call that nobody answers.
      if ((Platform::clear(word_, called) & sleeper) == 0) return;
    }
  }

  static constexpr std::uint32_t sleeper = 1;
  static constexpr std::uint32_t called = 2;
  static constexpr std::uint32_t step = 4;

  typename Platform::Word word_{0};
};

using WakeOne = BasicWakeOne<WakeOnePlatform>;
static_assert(sizeof(WakeOne) == 4 && std::is_standard_layout_v<WakeOne> && std::is_trivially_destructible_v<WakeOne>);

}  // namespace ipc::queues
