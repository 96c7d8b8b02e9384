#pragma once

#include <algorithm>
#include <cstdint>

#include <ipc/detail/deadline.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/base/ticks.hpp"
#include "ipc/os/cpu.hpp"

namespace ipc::transport {

/// The CPU of the calling thread, and what time it is there, in ticks.
struct Here {
  static std::uint32_t cpu() noexcept { return os::current_cpu(); }
  static std::uint64_t ticks() noexcept { return base::ticks(); }
  static std::uint64_t millisecond() noexcept { return 100 * base::ticks_in_ten_microseconds(); }
};

/// Spins for a waiter, as its budget allows, but not against somebody who needs its CPU: on virtual machines above all, the
/// kernel likes to put two that wake each other on one. There it is best to sleep at once, which hands the CPU over. Where the
/// two go on like that for long without a pause, the waiter stays on it for some ticks of the kernel's clock instead: of two
/// that want to run, the kernel then moves one to a CPU that is free, and from then on both may spin. Where none is free,
/// that is tried ever more rarely.
/// Belongs to one waiter; one thread at a time. Tests give it a `Place` other than `Here`.
template <class Place>
class BasicCrowding {
 public:
  /// The CPU of the calling thread, for the others to see; 0 says that nothing is known.
  static std::uint32_t here() noexcept { return Place::cpu() + 1; }

  /// Spins for somebody who was last seen `there`; returns whether `ready()`.
  template <class Ready>
  bool spin(std::uint32_t there, Ready ready, detail::Deadline deadline) {
    spun_ = moved_ || there == 0 || there != here();
    if (spun_) return budget_.spin(ready);
    const std::uint64_t now = Place::ticks();
    // Whoever has had the time for a pause is in no hurry.
    if (woke_at_ - waits_since_ > Place::millisecond() / 4 || now - woke_at_ > Place::millisecond() / 4) {
      interval_ = first_interval;
      stays_at_ = now + interval_ * Place::millisecond();
    }
    waits_since_ = woke_at_ = now;
    return now >= stays_at_ && stay(now, ready, deadline);
  }
  /// To be called when a wait ended in the kernel after `spin` failed: with whether what was waited for had come.
  void woke(bool ready) noexcept {
    woke_at_ = Place::ticks();
    moved_ = false;
    if (spun_ && ready) budget_.woke();
  }

 private:
  // In milliseconds, more or less.
  static constexpr std::uint64_t first_interval = 10;
  static constexpr std::uint64_t longest_interval = 1000;
  static constexpr std::uint64_t attempt = 9;

  template <class Ready>
  bool stay(std::uint64_t now, Ready ready, detail::Deadline deadline) {
    const std::uint64_t end = stays_at_ + attempt * Place::millisecond();
    do {
      for (int i = 0; i < 32; ++i) {
        if (ready()) {
          woke_at_ = Place::ticks();
          // Answered by somebody who did not need this CPU for it.
          moved_ = woke_at_ - now < Place::millisecond() / 100;
          return true;
        }
        base::cpu_relax();
      }
    } while (Place::ticks() < end && !deadline.expired());
    interval_ = std::min(2 * interval_, longest_interval);
    waits_since_ = woke_at_ = Place::ticks();  // The stay was no pause of the conversation.
    stays_at_ = woke_at_ + interval_ * Place::millisecond();
    return false;
  }

  base::SpinBudget budget_{os::allowed_cpus()};
  bool spun_ = true;
  bool moved_ = false;             // The peer is no longer where it was last seen.
  std::uint64_t waits_since_ = 0;  // When the last wait on a crowded CPU began…
  std::uint64_t woke_at_ = 0;      // …and when the last one ended in the kernel. In ticks, as all these.
  std::uint64_t stays_at_ = 0;     // When it is to stay on the CPU.
  std::uint64_t interval_ = first_interval;
};
using Crowding = BasicCrowding<Here>;

}  // namespace ipc::transport
