#pragma once

#include <cstdint>

#include "ipc/base/ticks.hpp"
#include "ipc/os/cpu.hpp"

namespace ipc::transport {

/// Keeps a waiter from spinning against somebody who needs its CPU: on virtual machines above all, the kernel likes to put two
/// that wake each other on one. There it is best to sleep at once, which hands the CPU over. Where the two go on like that for
/// long, one should spin all the same: of two that want to run, the kernel moves one elsewhere, and then both may spin.
/// Belongs to one waiter; one thread at a time.
class Crowding {
 public:
  /// The CPU of the calling thread, for the others to see; 0 says that nothing is known.
  static std::uint32_t here() noexcept { return os::current_cpu() + 1; }

  /// To be asked before a wait for somebody who was last seen `there`.
  bool spinning_may_pay(std::uint32_t there) noexcept {
    if (there == 0 || there != here()) return true;
    const std::uint64_t now = base::ticks();
    const std::uint64_t millisecond = 100 * base::ticks_in_ten_microseconds();
    // Whoever has had the time for a pause is in no hurry.
    if (woke_at_ - waits_since_ > millisecond / 4 || now - woke_at_ > millisecond / 4) crowded_since_ = now;
    waits_since_ = woke_at_ = now;
    const std::uint64_t phase = (now - crowded_since_) / millisecond % period;
    return phase >= patience && phase < patience + attempt;
  }
  /// To be called when a wait ended in the kernel.
  void woke() noexcept { woke_at_ = base::ticks(); }

 private:
  // In milliseconds, more or less. It takes the kernel some ticks of its clock to move somebody.
  static constexpr std::uint64_t patience = 1;
  static constexpr std::uint64_t attempt = 16;
  static constexpr std::uint64_t period = 64;

  std::uint64_t crowded_since_ = 0;
  std::uint64_t waits_since_ = 0;
  std::uint64_t woke_at_ = 0;
};

}  // namespace ipc::transport
