#include <ipc/lock.hpp>

#include <mutex>
#include <span>

#include <ipc/rlock.hpp>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

TEMPLATE_TEST_CASE("Lock: a process killed at any point of lock and unlock leaves it to the others", "", Lock, RLock) {
  const auto* point = GENERATE("lock.acquired", "lock.before_release", "lock.released", "lock.inherited", "lock.recovered");
  const TestType lock;
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

TEST_CASE("RLock: who dies holding it twice leaves it to the others, who hold it once") {
  const auto* point = GENERATE("lock.acquired", "lock.before_release");
  const RLock lock;
  test::ForkedChild child([&] {
    const std::scoped_lock outer(lock);
    base::arm_kill_point(point, 2);
    const std::scoped_lock inner(lock);
    ::raise(SIGKILL);
  });
  REQUIRE(child.wait() == -SIGKILL);
  lock.lock();
  REQUIRE(lock.recovered());
  {
    const std::scoped_lock inner(lock);
    REQUIRE(lock.recovered());
  }
  REQUIRE(lock.recovered());
  lock.unlock();
  REQUIRE_FALSE(lock.recovered());
  test::ForkedChild next([&] { return lock.try_lock() ? 0 : 1; });
  REQUIRE(next.wait() == 0);
}

TEST_CASE("Lock, RLock: under random kills the others go on, and the total is exact up to what the dead were doing") {
  const bool recursive = GENERATE(false, true);
  const Lock lock;
  const RLock rlock;
  const auto shared = test::make_counters();
  auto& broken = (*shared)[0];
  const std::span row(&(*shared)[1], 2);
  test::KillStorm storm(4, [&](int) {
    if (!recursive) {
      const std::scoped_lock guard(lock);
      broken += test::add_to_each(row, lock.recovered()) ? 0 : 1;
    } else {
      const std::scoped_lock outer(rlock);
      const std::scoped_lock inner(rlock);
      broken += test::add_to_each(row, rlock.recovered()) ? 0 : 1;
    }
  });
  storm.run(test::KillStorm::kills(100), recursive ? 11 : 1);
  REQUIRE(broken == 0);
  REQUIRE(row[0] >= storm.least());
  REQUIRE(row[0] <= storm.most());
}
