#include <ipc/lock.hpp>

#include <mutex>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

TEST_CASE("Lock: a process killed at any point of lock and unlock leaves it to the others") {
  const auto* point = GENERATE("lock.acquired", "lock.before_release", "lock.released", "lock.inherited", "lock.recovered");
  const Lock lock;
  test::ForkedChild([&] { lock.lock(); }).wait();  // There is something to inherit.
  test::ForkedChild child([&] {
    base::arm_kill_point(point);
    lock.lock();
    lock.unlock();
  });
  REQUIRE(child.wait() == -SIGKILL);
  lock.lock();
  REQUIRE(lock.recovered() == (point != std::string_view("lock.released")));
  lock.unlock();
  lock.lock();
  REQUIRE_FALSE(lock.recovered());
  lock.unlock();
}

TEST_CASE("Lock: under random kills the others go on, and the total is exact up to what the dead were doing") {
  const Lock lock;
  const auto shared = test::make_counters();
  auto& first = (*shared)[0];
  auto& second = (*shared)[1];
  auto& broken = (*shared)[2];
  std::function<bool()> stopping;
  test::KillStorm storm(4, [&](int, test::KillStorm::Account account) {
    while (!stopping()) {
      std::scoped_lock guard(lock);
      if (first != second) {
        // Only a dead predecessor may have left the two apart.
        if (!lock.recovered() || first != second + 1) ++broken;
        second.store(first);
      }
      ++account.begun;
      ++first;
      ++second;
      ++account.done;
    }
  });
  stopping = [&] { return storm.stopping(); };
  storm.run(test::KillStorm::kills(100), 1);
  lock.lock();
  REQUIRE(broken == 0);
  REQUIRE(first >= storm.least());
  REQUIRE(first <= storm.most());
  lock.unlock();
}
