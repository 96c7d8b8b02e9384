#include "ipc/transport/patience.hpp"

#include <algorithm>
#include <cstdint>

#include "tests/support/catch.hpp"

namespace {

struct Clock {
  static constexpr std::uint64_t microsecond = 1000;
  static inline std::uint64_t time = 1'000'000;
  static void pass(std::uint64_t ticks) noexcept { time += ticks; }
  static std::uint64_t ten_microseconds() noexcept { return 10 * microsecond; }
};
using Patience = ipc::transport::BasicPatience<Clock>;

/// What a pause takes during which `most` messages arrive, one every `interval`.
std::uint64_t pause(Patience& patience, std::uint64_t interval, std::uint64_t most) {
  const auto begin = Clock::time;
  patience.pause([&] { return std::min((Clock::time - begin) / interval, most); });
  return Clock::time - begin;
}
std::uint64_t pause_for_answer(Patience& patience, std::uint64_t after) { return pause(patience, after, 1); }
std::uint64_t pause_in_stream(Patience& patience) { return pause(patience, 30, UINT64_MAX); }

}  // namespace

TEST_CASE("Patience: the answer to a message is waited for until it is due, and hardly longer") {
  Patience patience;
  for (const std::uint64_t after : {200, 50, 250}) {
    for (int i = 0; i < Patience::looks_to_a_try; ++i) pause_for_answer(patience, after);
    std::uint64_t waited = 0;
    int in_vain = 0;
    for (int i = 0; i < Patience::looks_to_a_try; ++i) {
      const auto pause = pause_for_answer(patience, after);
      waited += pause;
      if (pause < after) ++in_vain;
    }
    CHECK(waited / Patience::looks_to_a_try <= after + Patience::step());
    CHECK(in_vain <= Patience::looks_to_a_try / 4);
    CHECK(patience.length() == 0);
  }
}

TEST_CASE("Patience: whoever waits for others as well does not pause for an answer") {
  Patience patience;
  for (int i = 0; i < Patience::looks_to_a_try / 2; ++i) pause_for_answer(patience, 200);
  REQUIRE(patience.answer() != 0);
  const auto before = Clock::time;
  patience.pause([] { return 0; }, true);
  CHECK(Clock::time == before);
}

TEST_CASE("Patience: for an answer that takes long nobody pauses, but for a try now and then") {
  Patience patience;
  constexpr int looks = 64 * Patience::looks_to_a_try;
  std::uint64_t waited = 0;
  for (int i = 0; i < looks; ++i) waited += pause_for_answer(patience, 5 * Clock::microsecond);
  CHECK(waited > 0);
  CHECK(waited / looks <= 20);  // Of answers that take 5,000.
  // When they are quick again, they are waited for again.
  for (int i = 0; i < 2 * Patience::looks_to_a_try; ++i) pause_for_answer(patience, 200);
  CHECK(patience.answer() < Patience::longest_for_answer());
}

TEST_CASE("Patience: a stream is left alone ever longer, up to a microsecond, and no longer than it lasts") {
  Patience patience;
  for (int i = 0; i < Patience::looks_to_a_try + 8; ++i) pause_in_stream(patience);
  REQUIRE(patience.length() == Patience::longest());
  REQUIRE(pause_in_stream(patience) == Clock::microsecond);
  for (int i = 0; i < 4; ++i) pause_for_answer(patience, 400);
  REQUIRE(patience.length() == 0);
}

TEST_CASE("Patience: a pause that lasts longer than what there was to come is shortened") {
  Patience patience;
  // Somebody who never has more than eight messages under way.
  for (int i = 0; i < 4 * Patience::looks_to_a_try; ++i) {
    pause(patience, 30, 8);
    REQUIRE(patience.length() <= std::uint64_t{4} * 8 * 30);
  }
}
