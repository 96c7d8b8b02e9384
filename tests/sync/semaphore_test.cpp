#include <ipc/semaphore.hpp>

#include <chrono>
#include <stdexcept>
#include <thread>

#include <ipc/error.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"

using namespace std::chrono_literals;
using namespace ipc;

TEST_CASE("Semaphore: numbers that make no sense are refused") {
  REQUIRE_THROWS_AS(Semaphore(-1), std::invalid_argument);
  REQUIRE_THROWS_AS(BoundedSemaphore(-1), std::invalid_argument);
  REQUIRE_THROWS_AS(Semaphore().release(0), std::invalid_argument);
  const Semaphore full(0x7fffffff);
  REQUIRE_THROWS_AS(full.release(), std::overflow_error);
  REQUIRE(full.get_value() == 0x7fffffff);
}

TEST_CASE("Semaphore: a bounded one never has more than it began with") {
  const BoundedSemaphore bounded(2);
  REQUIRE_THROWS_AS(bounded.release(), std::invalid_argument);
  bounded.acquire();
  REQUIRE_THROWS_AS(bounded.release(2), std::invalid_argument);
  REQUIRE(bounded.get_value() == 1);
  bounded.release();
  REQUIRE(bounded.get_value() == 2);
  const auto received = test::from_message<BoundedSemaphore>(test::to_message(bounded));
  REQUIRE(received == bounded);
  REQUIRE_THROWS_AS(received.release(), std::invalid_argument);
}

TEST_CASE("Semaphore: one release of n lets n sleepers go") {
  const Semaphore semaphore(0);
  const auto counters = test::make_counters();
  std::vector<test::ForkedChild> children;
  for (int i = 0; i < 4; ++i) {
    children.emplace_back([&] {
      semaphore.acquire();
      ++(*counters)[0];
    });
  }
  for (const auto& child : children) test::wait_until_asleep(child.pid());
  semaphore.release(3);
  test::wait_until([&] { return (*counters)[0] == 3; });
  REQUIRE(semaphore.get_value() == 0);
  semaphore.release();
  for (auto& child : children) REQUIRE(child.wait() == 0);
}

TEST_CASE("Semaphore: any process may release what another acquired") {
  const Semaphore semaphore(1);
  semaphore.acquire();
  test::ForkedChild child([&] { semaphore.release(); });
  semaphore.acquire();
  REQUIRE(child.wait() == 0);
}

TEST_CASE("Semaphore: travels in messages") {
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] { test::from_message<Semaphore>(test::receive_message(there.get())).release(2); });
  const Semaphore semaphore(0);
  test::send_message(here.get(), test::to_message(semaphore));
  semaphore.acquire();
  semaphore.acquire();
  REQUIRE(child.wait() == 0);
}

TEMPLATE_TEST_CASE("Semaphore: never more inside than it has units, and none is lost", "", test::Threads, test::Processes) {
  const Semaphore semaphore(2);
  const auto counters = test::make_counters();
  TestType::run(4, [&](int) {
    for (int i = 0; i < 3000; ++i) {
      semaphore.acquire();
      test::require(++(*counters)[0] <= 2, "too many inside");
      --(*counters)[0];
      semaphore.release();
    }
  });
  REQUIRE(semaphore.get_value() == 2);
}

TEMPLATE_TEST_CASE("Semaphore: two of them hand a turn back and forth", "", test::Threads, test::Processes) {
  const Semaphore ping(0);
  const Semaphore pong(0);
  const auto counters = test::make_counters();
  TestType::run(2, [&](int who) {
    for (int i = 0; i < 2000; ++i) {
      if (who == 0) {
        ping.release();
        pong.acquire();
        test::require((*counters)[0] == i + 1, "out of turn");
      } else {
        ping.acquire();
        ++(*counters)[0];
        pong.release();
      }
    }
  });
}
