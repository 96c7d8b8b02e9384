#pragma once

#include <algorithm>
#include <cstdint>

#include "ipc/base/spin.hpp"
#include "ipc/base/ticks.hpp"

namespace ipc::transport {

/// How the consumer of a ring lets its producer get ahead. Each look at an empty ring takes the cache line with `tail` away from
/// the producer, whose next message then takes longer to publish than it took to write; where the two go on like that, message
/// by message, they get a fraction of the work done. So before it looks again the consumer pauses, as long as that pays: while
/// each half of a pause brings something. What answers a message comes alone, and nobody pauses for it but once in a while, to
/// see.
/// Belongs to one consumer; one thread at a time. Tests give it a clock of their own.
template <class Clock>
class BasicPatience {
 public:
  /// To be called before a look at a ring that was found empty. `look()` does that, and returns how many bytes are there.
  template <class Look>
  void pause(Look look) {
    if (length_ == 0) {
      if (++looks_ < looks_to_a_try) return;
      looks_ = 0;
      length_ = shortest();
    }
    Clock::pass(length_ / 2);
    const auto half = look();
    Clock::pass(length_ / 2);
    if (half != 0 && look() != half) {
      length_ = std::min(2 * length_, longest());
    } else {
      length_ /= 2;
      if (length_ < shortest()) length_ = 0;
    }
  }
  /// How long the next pause will be, in ticks.
  std::uint64_t length() const noexcept { return length_; }

  static std::uint64_t shortest() noexcept { return Clock::ten_microseconds() / 80; }
  /// Nobody's message waits longer for the others.
  static std::uint64_t longest() noexcept { return Clock::ten_microseconds() / 10; }
  static constexpr int looks_to_a_try = 256;

 private:
  std::uint64_t length_ = 0;
  int looks_ = 0;
};

struct PatienceClock {
  static void pass(std::uint64_t ticks) noexcept { base::relax_for(ticks); }
  static std::uint64_t ten_microseconds() noexcept { return base::ticks_in_ten_microseconds(); }
};
using Patience = BasicPatience<PatienceClock>;

}  // namespace ipc::transport
