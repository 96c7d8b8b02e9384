#include <ipc/event.hpp>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

TEST_CASE("Event: a setter killed at any point of set still ends the wait") {
  const auto* point = GENERATE("event.set", "event_count.before_advance", "event_count.before_wake");
  const Event event;
  test::ForkedChild sleeper([&] { event.wait(); });
  test::wait_until_asleep(sleeper.pid());
  test::ForkedChild setter([&] {
    base::arm_kill_point(point);
    event.set();
  });
  REQUIRE(setter.wait() == -SIGKILL);
  REQUIRE(sleeper.wait() == 0);
}

TEST_CASE("Event: a waiter killed before or in its sleep harms nobody") {
  const Event event;
  test::ForkedChild early([&] {
    base::arm_kill_point("event_count.before_sleep");
    event.wait();
  });
  REQUIRE(early.wait() == -SIGKILL);
  test::ForkedChild late([&] { event.wait(); });
  test::ForkedChild other([&] { event.wait(); });
  test::wait_until_asleep(late.pid());
  test::wait_until_asleep(other.pid());
  late.kill();
  late.wait();
  event.set();
  REQUIRE(other.wait() == 0);
}

TEST_CASE("Event: under random kills of setters and waiters the others go on") {
  const Event event;
  test::KillStorm storm(4, [&](int index) {
    if (index % 2 == 0) {
      event.set();
      event.clear();
      std::this_thread::yield();
    } else {
      event.wait();
    }
  });
  storm.run(test::KillStorm::kills(100), 3);
}
