#include <ipc/condition.hpp>

#include <mutex>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

namespace {

/// A process that waits once, asleep when this returns.
test::ForkedChild waiter(const Condition& condition, const std::shared_ptr<test::Counters>& counters, const char* dies_at = nullptr) {
  const std::int64_t before = (*counters)[0];
  test::ForkedChild child([&] {
    if (dies_at != nullptr) base::arm_kill_point(dies_at);
    std::scoped_lock guard(condition);
    ++(*counters)[0];
    condition.wait();
    ++(*counters)[1];
  });
  test::wait_until([&] { return (*counters)[0] == before + 1; });
  std::scoped_lock guard(condition);
  return child;
}

void notify(const Condition& condition, int n = 1) {
  std::scoped_lock guard(condition);
  condition.notify(n);
}

}  // namespace

TEST_CASE("Condition: a killed waiter is no waiter, and notify neither hangs nor counts it") {
  const Condition condition;
  const auto counters = test::make_counters();
  test::ForkedChild dead = waiter(condition, counters);
  test::ForkedChild alive = waiter(condition, counters);
  test::ForkedChild other = waiter(condition, counters);
  dead.kill();
  dead.wait();
  notify(condition);
  REQUIRE(alive.wait() == 0);
  REQUIRE((*counters)[1] == 1);
  notify(condition);
  REQUIRE(other.wait() == 0);
}

TEST_CASE("Condition: what a waiter was given that died before it returned goes to another") {
  const Condition condition;
  const auto counters = test::make_counters();
  test::ForkedChild dies = waiter(condition, counters, "condition.woken");
  test::ForkedChild alive = waiter(condition, counters);
  notify(condition);
  REQUIRE(dies.wait() == -SIGKILL);
  REQUIRE(alive.wait() == 0);  // Nobody notifies again.
}

TEST_CASE("Condition: an heir killed with what it was given leaves that to the next") {
  const Condition condition;
  const auto counters = test::make_counters();
  test::ForkedChild dies = waiter(condition, counters, "condition.woken");
  test::ForkedChild heir = waiter(condition, counters, "condition.inherited");
  notify(condition);
  REQUIRE(dies.wait() == -SIGKILL);
  REQUIRE(heir.wait() == -SIGKILL);
  test::ForkedChild alive = waiter(condition, counters);
  notify(condition);
  REQUIRE(alive.wait() == 0);
}

TEST_CASE("Condition: a waiter killed at any point of its wait leaves lock and condition to the others") {
  const auto* point = GENERATE("condition.waiting", "lock.before_release", "lock.released", "condition.released");
  const Condition condition;
  const auto counters = test::make_counters();
  REQUIRE(waiter(condition, counters, point).wait() == -SIGKILL);
  test::ForkedChild alive = waiter(condition, counters);
  notify(condition);
  REQUIRE(alive.wait() == 0);
}

TEST_CASE("Condition: a notifier killed between its store and its wake delays the waiter, no more") {
  const Condition condition;
  const auto counters = test::make_counters();
  test::ForkedChild sleeper = waiter(condition, counters);
  test::ForkedChild notifier([&] {
    base::arm_kill_point("condition.notified");
    notify(condition);
  });
  REQUIRE(notifier.wait() == -SIGKILL);
  REQUIRE(sleeper.wait() == 0);
}

TEST_CASE("Condition: more waiters than it has places, one after the other, all killed") {
  const Condition condition;
  const auto counters = test::make_counters();
  for (int i = 0; i < 520; ++i) waiter(condition, counters).kill();
  test::ForkedChild alive = waiter(condition, counters);
  notify(condition);
  REQUIRE(alive.wait() == 0);
}

TEST_CASE("Condition: under random kills of waiters and notifiers the others go on") {
  const Condition condition;
  const auto shared = test::make_counters();
  auto& items = (*shared)[0];
  test::KillStorm storm(4, [&](int index) {
    const std::scoped_lock guard(condition);
    if (index % 2 == 0) {
      if (items < 10) ++items;
      condition.notify();
    } else {
      condition.wait([&] { return items > 0; });
      --items;
    }
  });
  storm.run(test::KillStorm::kills(100), 5);
}
