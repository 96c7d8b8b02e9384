#include <ipc/barrier.hpp>

#include <atomic>
#include <chrono>
#include <limits>
#include <stdexcept>

#include <ipc/error.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

constexpr int parties = 5;

bool breaks(const Barrier& barrier) {
  try {
    barrier.wait();
  } catch (const BrokenBarrier&) {
    return true;
  }
  return false;
}

}  // namespace

TEMPLATE_TEST_CASE("Barrier: nobody is a round ahead of anybody, for many rounds", "", test::Threads, test::Processes) {
  const Barrier barrier(parties);
  const auto counters = test::make_counters();
  TestType::run(parties, [&](int) {
    for (int round = 0; round < 300; ++round) {
      ++(*counters)[0];
      barrier.wait();
      test::require((*counters)[0] >= parties * (round + 1), "passed before all had come");
      barrier.wait();
      test::require((*counters)[0] == parties * (round + 1), "overtaken");
      barrier.wait();
    }
  });
  REQUIRE(barrier.n_waiting() == 0);
  REQUIRE_FALSE(barrier.broken());
}

TEST_CASE("Barrier: its time-out may be any duration, or none") {
  using Seconds = std::chrono::duration<double>;
  REQUIRE(breaks(Barrier(2, {}, Seconds(0.001))));
  REQUIRE(breaks(Barrier(2, {}, -1h)));
  for (const Barrier& endless : {Barrier(2, {}, {}), Barrier(2, {}, Seconds(1e300))}) {
    test::ForkedChild child([&] { return breaks(endless) ? 1 : 0; });
    test::wait_until([&] { return endless.n_waiting() == 1; });
    REQUIRE(endless.wait() == 1);
    REQUIRE(child.wait() == 0);
  }
}

TEST_CASE("Barrier: a number of parties that nobody can have is refused before any memory is") {
  REQUIRE_THROWS_AS(Barrier(std::numeric_limits<int>::max()), std::invalid_argument);
  REQUIRE_THROWS_AS(Barrier(1'000'001), std::invalid_argument);
  REQUIRE_THROWS_AS(Barrier::create("no-name", 1'000'001), std::invalid_argument);
  REQUIRE(Barrier(20'000).parties() == 20'000);
}

TEST_CASE("Barrier: what the action throws reaches its caller, and the others find it broken") {
  const Barrier barrier(2, [] { throw std::runtime_error("no"); });
  test::ForkedChild child([&] { return breaks(barrier) ? 0 : 1; });
  test::wait_until([&] { return barrier.n_waiting() == 1; });
  REQUIRE_THROWS_WITH(barrier.wait(), "no");
  REQUIRE(child.wait() == 0);
  REQUIRE(barrier.broken());
}

TEST_CASE("Barrier: more threads than parties take turns") {
  const Barrier barrier(2);
  std::atomic<int> waits{0};
  test::Threads::run(6, [&](int) {
    while (waits++ < 3000) barrier.wait();  // An even number: everybody finds somebody.
  });
  REQUIRE(barrier.n_waiting() == 0);
}

TEST_CASE("Barrier: travels in messages, unless it has an action") {
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] { return test::from_message<Barrier>(test::receive_message(there.get())).wait() < 2 ? 0 : 1; });
  const Barrier barrier(2);
  test::send_message(here.get(), test::to_message(barrier));
  barrier.wait();
  REQUIRE(child.wait() == 0);
  REQUIRE_THROWS_AS(test::to_message(Barrier(2, [] {})), NotShippable);
}
