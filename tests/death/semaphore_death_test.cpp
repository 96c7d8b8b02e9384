#include <ipc/semaphore.hpp>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

TEST_CASE("Semaphore: a head waiter killed asleep hands its place on") {
  const Semaphore semaphore(0);
  const auto counters = test::make_counters();
  std::vector<test::ForkedChild> children;
  for (int i = 0; i < 5; ++i) {
    children.emplace_back([&] {
      semaphore.acquire();
      ++(*counters)[0];
    });
    test::wait_until_asleep(children.back().pid());
  }
  children[0].kill();
  children[1].kill();
  semaphore.release(3);
  for (std::size_t i = 2; i < 5; ++i) REQUIRE(children[i].wait() == 0);
  REQUIRE((*counters)[0] == 3);
  REQUIRE(semaphore.get_value() == 0);
}

TEST_CASE("Semaphore: a releaser killed between its store and its wake delays the sleeper, no more") {
  const Semaphore semaphore(0);
  test::ForkedChild sleeper([&] { semaphore.acquire(); });
  test::wait_until_asleep(sleeper.pid());
  test::ForkedChild releaser([&] {
    base::arm_kill_point("semaphore.released");
    semaphore.release();
  });
  REQUIRE(releaser.wait() == -SIGKILL);
  REQUIRE(sleeper.wait() == 0);
}

TEST_CASE("Semaphore: a waiter killed at any point of its wait harms nobody, and takes one unit at most") {
  const auto* point = GENERATE("semaphore.acquired", "semaphore.head", "semaphore.before_sleep");
  const Semaphore semaphore(point == std::string_view("semaphore.acquired") ? 1 : 0);
  test::ForkedChild child([&] {
    base::arm_kill_point(point);
    semaphore.acquire();
  });
  REQUIRE(child.wait() == -SIGKILL);
  REQUIRE(semaphore.get_value() == 0);
  test::ForkedChild next([&] { semaphore.acquire(); });
  test::wait_until_asleep(next.pid());
  semaphore.release();
  REQUIRE(next.wait() == 0);
}

TEST_CASE("Semaphore, BoundedSemaphore: under random kills of givers and takers the others go on, and no unit comes from nowhere") {
  const bool bounded = GENERATE(false, true);
  const Semaphore semaphore = bounded ? BoundedSemaphore(8) : Semaphore(0);
  if (bounded) {
    for (int i = 0; i < 8; ++i) semaphore.acquire();
  }
  const auto totals = test::make_counters();
  // Even ones give, odd ones take.
  test::KillStorm storm(4, [&](int index) {
    const auto given = static_cast<std::size_t>(index % 2 == 0 ? 0 : 2);
    if (given == 0) test::wait_until([&] { return semaphore.get_value() < 4; });
    ++(*totals)[given];
    if (given == 0)
      semaphore.release();
    else
      semaphore.acquire();
    ++(*totals)[given + 1];
  });
  const int kills = test::KillStorm::kills(100);
  storm.run(kills, bounded ? 3 : 2);
  // [0] releases begun, [1] done, [2] acquisitions begun, [3] done. A process dies in one operation at most.
  REQUIRE(semaphore.get_value() >= (*totals)[1] - (*totals)[2]);
  REQUIRE(semaphore.get_value() <= (*totals)[0] - (*totals)[3]);
  REQUIRE((*totals)[0] - (*totals)[1] + (*totals)[2] - (*totals)[3] <= kills + 4);
}
