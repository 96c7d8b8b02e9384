#include <ipc/barrier.hpp>

#include <ipc/error.hpp>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

namespace {

test::ForkedChild party(const Barrier& barrier, const char* dies_at = nullptr) {
  return test::ForkedChild([&barrier, dies_at] {
    if (dies_at != nullptr) base::arm_kill_point(dies_at);
    try {
      barrier.wait();
      return 0;
    } catch (const BrokenBarrier&) {
      return 1;
    }
  });
}

}  // namespace

TEST_CASE("Barrier: a party killed while it waits breaks it, for those who wait and those who come") {
  const Barrier barrier(4);
  test::ForkedChild waits = party(barrier);
  test::ForkedChild dies = party(barrier);
  test::wait_until([&] { return barrier.n_waiting() == 2; });
  dies.kill();
  dies.wait();
  REQUIRE(waits.wait() == 1);  // Without anybody's help.
  REQUIRE_THROWS_AS(barrier.wait(), BrokenBarrier);
  barrier.reset();
  test::ForkedChild a = party(barrier);
  test::ForkedChild b = party(barrier);
  test::ForkedChild c = party(barrier);
  barrier.wait();
  REQUIRE(a.wait() + b.wait() + c.wait() == 0);
}

TEST_CASE("Barrier: a party killed at any point of its arrival or in the action leaves nobody waiting") {
  const auto* point = GENERATE("barrier.entered", "barrier.acting", "barrier.arrived");
  const Barrier barrier(point == std::string_view("barrier.arrived") ? 3 : 2);
  test::ForkedChild waits = party(barrier);
  test::wait_until([&] { return barrier.n_waiting() == 1; });
  REQUIRE(party(barrier, point).wait() == -SIGKILL);
  REQUIRE(waits.wait() == 1);
  REQUIRE(barrier.broken());
}

TEST_CASE("Barrier: a party killed after the round was passed takes nothing from the others") {
  const auto* point = GENERATE("barrier.passed", "barrier.leaving");
  const bool last = point == std::string_view("barrier.passed");
  const Barrier barrier(2);
  test::ForkedChild first = party(barrier, last ? nullptr : point);
  test::wait_until([&] { return barrier.n_waiting() == 1; });
  test::ForkedChild second = party(barrier, last ? point : nullptr);
  REQUIRE(first.wait() == (last ? 0 : -SIGKILL));
  REQUIRE(second.wait() == (last ? -SIGKILL : 0));
  test::ForkedChild again = party(barrier);
  barrier.wait();
  REQUIRE(again.wait() == 0);
}

TEST_CASE("Barrier: a reset cut short by death leaves nobody waiting") {
  const Barrier barrier(2);
  test::ForkedChild waits = party(barrier);
  test::wait_until([&] { return barrier.n_waiting() == 1; });
  test::ForkedChild resets([&] {
    base::arm_kill_point("barrier.resetting");
    barrier.reset();
  });
  REQUIRE(resets.wait() == -SIGKILL);
  REQUIRE(waits.wait() == 1);
  barrier.reset();
  test::ForkedChild again = party(barrier);
  barrier.wait();
  REQUIRE(again.wait() == 0);
}

TEST_CASE("Barrier: under random kills of parties the others go on") {
  const Barrier barrier(2);
  test::KillStorm storm(4, [&](int) {
    try {
      barrier.wait();
    } catch (const BrokenBarrier&) {
      barrier.reset();
    }
  });
  storm.run(test::KillStorm::kills(100), 6);
}
