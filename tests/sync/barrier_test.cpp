#include <ipc/barrier.hpp>

#include <atomic>
#include <chrono>
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

TEMPLATE_TEST_CASE("Barrier: wait gives each its own number, and one is 0", "", test::Threads, test::Processes) {
  const Barrier barrier(parties);
  const auto counters = test::make_counters();
  TestType::run(parties, [&](int) { ++(*counters)[static_cast<std::size_t>(barrier.wait())]; });
  for (std::size_t i = 0; i < parties; ++i) REQUIRE((*counters)[i] == 1);
}

TEMPLATE_TEST_CASE("Barrier: the action is run once a round, before anybody goes on", "", test::Threads, test::Processes) {
  const auto counters = test::make_counters();
  const Barrier barrier(parties, [&] { ++(*counters)[0]; });
  TestType::run(parties, [&](int) {
    barrier.wait();
    test::require((*counters)[0] == 1, "not run once");
    barrier.wait();
    test::require((*counters)[0] == 2, "not run twice");
  });
}

TEMPLATE_TEST_CASE("Barrier: abort breaks it for all", "", test::Threads, test::Processes) {
  const Barrier barrier(parties);
  const auto counters = test::make_counters();
  TestType::run(parties, [&](int) {
    if (barrier.parties() == parties && ++(*counters)[0] == parties)
      barrier.abort();
    else
      test::require(breaks(barrier), "not broken");
  });
  REQUIRE(barrier.broken());
  REQUIRE(barrier.n_waiting() == 0);
  REQUIRE(breaks(barrier));
}

TEMPLATE_TEST_CASE("Barrier: after reset it serves again", "", test::Threads, test::Processes) {
  const Barrier barrier(parties);
  const auto counters = test::make_counters();
  TestType::run(parties, [&](int who) {
    if (who == 0) {
      test::wait_until([&] { return barrier.n_waiting() == parties - 1; });
      barrier.reset();
    } else {
      test::require(breaks(barrier), "a reset did not break it");
    }
    barrier.wait();
    ++(*counters)[0];
  });
  REQUIRE((*counters)[0] == parties);
  REQUIRE_FALSE(barrier.broken());
}

TEMPLATE_TEST_CASE("Barrier: a party that waits no longer breaks it for all", "", test::Threads, test::Processes) {
  const Barrier patient(parties);
  const Barrier hasty(parties, {}, 5ms);
  TestType::run(parties - 1, [&](int who) {
    bool broken = false;
    try {
      if (who == 0)
        patient.wait_for(10ms);
      else
        patient.wait();
    } catch (const BrokenBarrier&) {
      broken = true;
    }
    test::require(broken, "not broken by a time-out");
    test::require(breaks(hasty), "not broken by the barrier's own time-out");
  });
  REQUIRE(patient.broken());
  REQUIRE(hasty.broken());
}

TEST_CASE("Barrier: what the action throws reaches its caller, and the others find it broken") {
  const Barrier barrier(2, [] { throw std::runtime_error("no"); });
  test::ForkedChild child([&] { return breaks(barrier) ? 0 : 1; });
  test::wait_until([&] { return barrier.n_waiting() == 1; });
  REQUIRE_THROWS_WITH(barrier.wait(), "no");
  REQUIRE(child.wait() == 0);
  REQUIRE(barrier.broken());
}

TEST_CASE("Barrier: of one party never waits, and of none makes no sense") {
  const Barrier one(1);
  REQUIRE(one.wait() == 0);
  REQUIRE(one.wait_for(0s) == 0);
  REQUIRE_THROWS_AS(Barrier(0), std::invalid_argument);
  REQUIRE_THROWS_AS(Barrier(-1), std::invalid_argument);
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
