#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "ipc/base/spin.hpp"

namespace ipc::queues {

/// How long somebody who waited for an item, or for room, and has it, lets more of it come before going on. A consumer that is
/// as quick as its producer would else take each item the moment it is there: then the two spend most of their time on passing
/// the same lines of memory to and fro for each item, instead of once for many. The pause grows while it pays, and is none,
/// but for a try ever more rarely, where what comes comes one by one.
/// One for each process and side; any thread (all of it is a guess, so that relaxed will do).
class Pace {
 public:
  /// To be called when a wait has ended. `there()` says how much there is of what was waited for.
  template <class There>
  void settle(There there) noexcept {
    std::uint32_t pauses = pauses_.load(std::memory_order_relaxed);
    if (pauses == 0) {
      const std::uint32_t rest = rest_.load(std::memory_order_relaxed);
      if (rest != 0) return rest_.store(rest - 1, std::memory_order_relaxed);
      pauses = least;
    }
    for (std::uint32_t i = 0; i < pauses; ++i) base::cpu_relax();
    const std::size_t found = there();
    // Whatever comes more slowly than one in four pauses is not slowed down by us.
    if (found < std::max<std::size_t>(2, pauses / 4)) {
      const std::uint32_t mistrust = std::min(2 * mistrust_.load(std::memory_order_relaxed) + 1, most_mistrust);
      mistrust_.store(mistrust, std::memory_order_relaxed);
      rest_.store(mistrust, std::memory_order_relaxed);
      pauses_.store(0, std::memory_order_relaxed);
      return;
    }
    mistrust_.store(0, std::memory_order_relaxed);
    pauses_.store(found < enough ? std::min(2 * pauses, most) : pauses, std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint32_t least = 4;  // In pauses of the processor, each of which takes some tens of nanoseconds.
  static constexpr std::uint32_t most = 64;
  static constexpr std::size_t enough = 16;
  static constexpr std::uint32_t most_mistrust = 255;

  std::atomic<std::uint32_t> pauses_{0};
  std::atomic<std::uint32_t> rest_{0};  // So many waits before the next try.
  std::atomic<std::uint32_t> mistrust_{0};
};

}  // namespace ipc::queues
