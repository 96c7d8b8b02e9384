#pragma once

#include <algorithm>
#include <cstdint>

#include "ipc/base/spin.hpp"
#include "ipc/base/ticks.hpp"

namespace ipc::transport {

/// How the consumer of a ring lets its producer get ahead. Each look at an empty ring takes the cache line with `tail` away from
/// the producer, whose next message then takes longer to publish than it took to write; where the two go on like that, message
/// by message, they get a fraction of the work done. So before it looks again the consumer pauses. In a stream as long as that
/// pays: while each half of a pause brings something. What answers a message comes alone: there the pause ends a little after the
/// answer was due, as far as the last ones tell. Answers that take longer than that is worth, nobody pauses for but once in a
/// while, to see.
/// Belongs to one consumer; one thread at a time. Tests give it a clock of their own.
template <class Clock>
class BasicPatience {
 public:
  /// To be called before a look at a ring that was found empty. `look()` does that, and returns how many bytes are there. Whoever
  /// waits for `others` as well has no time to pause for an answer.
  template <class Look>
  void pause(Look look, bool others = false) {
    if (length_ == 0) {
      if (++looks_ < looks_to_a_try) {
        if (!others) await_answer(look);
        return;
      }
      looks_ = 0;
      length_ = shortest();
      if (answer_ > longest_for_answer()) answer_ = longest_for_answer() / 2;
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
  /// How long the next pause in a stream will be, in ticks…
  std::uint64_t length() const noexcept { return length_; }
  /// …and the next one for an answer, unless that is longer than it is worth.
  std::uint64_t answer() const noexcept { return answer_; }

  static std::uint64_t shortest() noexcept { return Clock::ten_microseconds() / 80; }
  /// Nobody's message waits longer for the others.
  static std::uint64_t longest() noexcept { return Clock::ten_microseconds() / 10; }
  static std::uint64_t step() noexcept { return Clock::ten_microseconds() / 800; }
  static std::uint64_t longest_for_answer() noexcept { return Clock::ten_microseconds() / 32; }
  static constexpr int looks_to_a_try = 256;

 private:
  /// A look too early costs several times what one too late does, so four of five are to be late.
  template <class Look>
  void await_answer(Look look) {
    if (answer_ > longest_for_answer()) return;
    Clock::pass(answer_);
    if (look() == 0)
      answer_ += step();
    else
      answer_ -= std::min(answer_, step() / 4);
  }

  std::uint64_t length_ = 0;
  std::uint64_t answer_ = 0;
  int looks_ = 0;
};

struct PatienceClock {
  static void pass(std::uint64_t ticks) noexcept { base::relax_for(ticks); }
  static std::uint64_t ten_microseconds() noexcept { return base::ticks_in_ten_microseconds(); }
};
using Patience = BasicPatience<PatienceClock>;

}  // namespace ipc::transport
