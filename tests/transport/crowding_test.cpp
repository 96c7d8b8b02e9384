#include "ipc/transport/crowding.hpp"

#include <array>
#include <thread>

#include "tests/support/catch.hpp"

using ipc::detail::Deadline;

namespace {

/// A CPU on which only this test runs, for nothing else may come in between, and time passes as it wants it.
struct Place {
  static constexpr std::uint64_t microsecond = 100;
  static inline std::uint64_t time = 1'000'000;
  static std::uint32_t cpu() noexcept { return 3; }
  static std::uint64_t ticks() noexcept { return time += microsecond; }
  static std::uint64_t millisecond() noexcept { return 1000 * microsecond; }
};
using Crowding = ipc::transport::BasicCrowding<Place>;

/// How often a waiter looks, whose peer was seen `there`.
int looks(Crowding& crowding, std::uint32_t there) {
  int count = 0;
  const bool found = crowding.spin(
      there,
      [&] {
        ++count;
        return false;
      },
      Deadline::never());
  return found ? -1 : count;
}

}  // namespace

TEST_CASE("Crowding: a waiter spins for somebody on another CPU, or nobody knows where, and not against one on its own") {
  if (std::thread::hardware_concurrency() < 2) return;
  std::array<Crowding, 3> waiters;
  REQUIRE(looks(waiters[0], 0) > 1);
  REQUIRE(looks(waiters[1], Crowding::here() + 1) > 1);
  REQUIRE(looks(waiters[2], Crowding::here()) == 0);
}

TEST_CASE("Crowding: what is there already is found wherever the peer is") {
  Crowding crowding;
  REQUIRE(crowding.spin(
      0, [] { return true; }, Deadline::never()));
}

TEST_CASE("Crowding: two that go on waking each other on one CPU without a pause, and only they, stay on it for a while") {
  const auto there = Crowding::here();
  Crowding crowding;
  // Waits of 20 us, one behind the other.
  const auto wait = [&](Crowding& waiter) {
    const int count = looks(waiter, there);
    Place::time += 20 * Place::microsecond;
    waiter.woke(true);
    return count;
  };
  for (int stay = 0; stay < 3; ++stay) {
    const auto begin = Place::time;
    while (wait(crowding) == 0) {
    }
    // Ever more rarely, and not for longer than some ticks of the kernel's clock.
    const auto past = (Place::time - begin) / Place::millisecond();
    CAPTURE(stay, past);
    REQUIRE(past + 1 >= (10u << stay));
    REQUIRE(past <= (10u << stay) + 12);
  }
  // The peer who answers meanwhile runs somewhere else: then it is spun for, as long as the kernel need not be asked.
  Crowding moved;
  for (bool answered = false; !answered;) {
    answered = moved.spin(
        there, [&] { return true; }, Deadline::never());
    if (!answered) moved.woke(true);
  }
  bool looked = false;
  static_cast<void>(moved.spin(
      there, [&] { return looked = true; }, Deadline::never()));
  REQUIRE(looked);
  // Whoever has the time for a pause in between is in no hurry, however long it goes on.
  Crowding slow;
  for (int i = 0; i < 100; ++i) {
    REQUIRE(wait(slow) == 0);
    Place::time += Place::millisecond();
  }
}

TEST_CASE("Crowding: a deadline ends the stay") {
  Crowding crowding;
  int stays = 0;
  const auto begin = Place::time;
  while (stays == 0) {
    crowding.spin(
        Crowding::here(),
        [&] {
          ++stays;
          return false;
        },
        Deadline::expired_already());
    crowding.woke(false);
  }
  REQUIRE(stays == 32);
  REQUIRE(Place::time - begin < 11 * Place::millisecond());
}
