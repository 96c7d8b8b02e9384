#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace ipc::base {

/// Tells the processor that this is a spin loop.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// How a spinning waiter looks at a word that its holder needs to get on: ever more seldom, as each look takes the cache line
/// away from there. Belongs to one wait.
class Backoff {
 public:
  /// The first time for nothing, then ever longer, up to a microsecond or two.
  void pause() noexcept {
    for (int i = 1; i < pauses_; ++i) cpu_relax();
    pauses_ = std::min(2 * pauses_, longest);
  }

 private:
  static constexpr int longest = 32;

  int pauses_ = 1;
};

/// How long a waiter may spin before it asks the kernel: it grows while spinning pays and shrinks while it does not, and is
/// zero where this process may use one CPU only (whoever could end the wait would need that CPU). Where spinning long has not
/// paid, because whoever could end the wait has no CPU, it is tried again ever more rarely.
/// Belongs to one waiter; one thread at a time.
class SpinBudget {
 public:
  using Clock = std::chrono::steady_clock;
  /// A kernel wake costs about this much on a virtual machine; longer spinning could only lose.
  static constexpr std::chrono::nanoseconds limit = std::chrono::microseconds(50);
  static constexpr std::chrono::nanoseconds floor = std::chrono::microseconds(2);

  /// Spins until `ready()` or the budget is spent; returns whether `ready()`.
  template <class Ready>
  bool spin(Ready ready) {
    if (ready()) return true;
    if (!useful()) return false;
    // The clock is first looked at when the quickest answers have had their time: nobody listens meanwhile.
    Clock::time_point start{};
    for (bool first = true;; first = false) {
      for (int i = 0; i < 32; ++i) {
        cpu_relax();
        if (ready()) {
          budget_ = std::min(limit, budget_ * 2);
          mistrust_ = 0;
          return true;
        }
      }
      const auto now = Clock::now();
      if (first)
        start = now;
      else if (now - start >= budget_)
        break;
    }
    if (budget_ > limit / 2) {
      mistrust_ = std::min(2 * mistrust_ + 1, most_mistrust);
      short_waits_due_ = mistrust_;
      budget_ = floor;
    } else {
      budget_ = std::max(floor, budget_ / 2);
    }
    started_ = start;
    return false;
  }
  /// To be called when a wait ended in the kernel after `spin` failed: a short one would have been worth spinning for.
  void woke() noexcept {
    if (Clock::now() - started_ >= 2 * limit) return;
    if (short_waits_due_ > 0)
      --short_waits_due_;
    else
      budget_ = limit;
  }

 private:
  static bool useful() noexcept {
    // Counts the CPUs of the affinity mask, not of the machine.
    static const bool several = std::thread::hardware_concurrency() > 1;
    return several;
  }

  static constexpr int most_mistrust = 63;

  std::chrono::nanoseconds budget_ = limit;
  int mistrust_ = 0;         // Grows with each long spin that was in vain.
  int short_waits_due_ = 0;  // Before the next long spin.
  Clock::time_point started_{};
};

}  // namespace ipc::base
