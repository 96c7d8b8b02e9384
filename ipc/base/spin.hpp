#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <thread>

#include "ipc/base/ticks.hpp"

namespace ipc::base {

/// Tells the processor that this is a spin loop.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Spins for so many ticks.
inline void relax_for(std::uint64_t length) noexcept {
  const std::uint64_t start = ticks();
  while (ticks() - start < length) cpu_relax();
}

/// How a spinning waiter looks at a word that its holder needs to get on: ever more seldom, as each look takes the cache line
/// away from there, which on processors whose caches are far apart costs a holder more than what it holds the lock for.
/// Belongs to one wait.
class Backoff {
 public:
  /// The first time for nothing, then ever longer, up to some four microseconds: little beside a wake by the kernel.
  void pause() noexcept {
    if (length_ != 0) relax_for(length_);
    length_ = std::clamp(2 * length_, ticks_in_ten_microseconds() / 500, ticks_in_ten_microseconds() * 2 / 5);
  }
  /// So often may `SpinBudget` have it pause before it looks at its clock.
  static constexpr int looks_at_once = 4;

 private:
  std::uint64_t length_ = 0;
};

/// How long a waiter may spin before it asks the kernel: it grows while spinning pays and shrinks while it does not, and is
/// zero on a machine with one CPU. Where spinning long has not paid, because whoever could end the wait has no CPU, it is tried
/// again ever more rarely. A thread that may use one CPU only shares it with whoever could end the wait, or has been put on one of
/// its own: there it learns which, so that spinning costs the one nothing to speak of, and the other has it.
/// Belongs to one waiter; one thread at a time.
class SpinBudget {
 public:
  using Clock = std::chrono::steady_clock;
  /// A kernel wake costs about this much on a virtual machine; longer spinning could only lose.
  static constexpr std::chrono::nanoseconds limit = std::chrono::microseconds(50);
  static constexpr std::chrono::nanoseconds floor = std::chrono::microseconds(2);

  SpinBudget() = default;
  /// For a thread that may run on so many CPUs.
  explicit SpinBudget(int cpus) noexcept {
    if (cpus != 1) return;
    floor_ = {};
    most_mistrust_ = 1023;
  }

  /// Spins until `ready()` or the budget is spent; returns whether `ready()`. Looks at the clock after so many looks.
  template <class Ready>
  bool spin(Ready ready, int looks_at_once = 32) {
    return look(ready, looks_at_once, cpu_relax);
  }
  /// The same, but lets whoever else wants this CPU have it between two looks.
  template <class Ready>
  bool yield(Ready ready) {
    return look(ready, 1, [] { std::this_thread::yield(); });
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
  template <class Ready, class Relax>
  bool look(Ready ready, int looks_at_once, Relax relax) {
    if (ready()) return true;
    if (!useful() || budget_ == std::chrono::nanoseconds(0)) {
      started_ = Clock::now();
      return false;
    }
    // The clock is first looked at when the quickest answers have had their time: nobody listens meanwhile.
    Clock::time_point start{};
    for (bool first = true;; first = false) {
      for (int i = 0; i < looks_at_once; ++i) {
        relax();
        if (ready()) return paid();
      }
      const auto now = Clock::now();
      if (first)
        start = now;
      else if (now - start >= budget_)
        break;
    }
    if (budget_ > limit / 2) {
      mistrust_ = std::min(2 * mistrust_ + 1, most_mistrust_);
      short_waits_due_ = mistrust_;
      budget_ = floor_;
    } else {
      budget_ = std::max(floor_, budget_ / 2);
    }
    started_ = start;
    return false;
  }

  bool paid() noexcept {
    budget_ = std::min(limit, budget_ * 2);
    mistrust_ = 0;
    return true;
  }
  static bool useful() noexcept {
    static const bool several = std::thread::hardware_concurrency() > 1;
    return several;
  }

  std::chrono::nanoseconds budget_ = limit;
  std::chrono::nanoseconds floor_ = floor;
  int most_mistrust_ = 63;
  int mistrust_ = 0;         // Grows with each long spin that was in vain.
  int short_waits_due_ = 0;  // Before the next long spin.
  Clock::time_point started_{};
};

/// The budgets of a waiter that may find itself on the CPU which whoever could end its wait needs: then it yields instead of spinning.
/// What pays is learnt for each of the two. Belongs to one waiter; one thread at a time.
class WaitBudget {
 public:
  WaitBudget() = default;
  /// For a thread that may run on so many CPUs.
  explicit WaitBudget(int cpus) noexcept : spin_(cpus) {}

  /// Waits until `ready()` or the budget is spent; returns whether `ready()`.
  template <class Ready>
  bool wait(bool crowded, Ready ready) {
    yielded_ = crowded;
    return crowded ? yield_.yield(ready) : spin_.spin(ready);
  }
  /// To be called when a wait ended in the kernel after `wait` failed.
  void woke() noexcept { (yielded_ ? yield_ : spin_).woke(); }

 private:
  SpinBudget spin_;
  SpinBudget yield_{1};
  bool yielded_ = false;
};

}  // namespace ipc::base
