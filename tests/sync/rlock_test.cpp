#include <ipc/rlock.hpp>

#include <mutex>
#include <thread>

#include <ipc/error.hpp>
#include <ipc/lock.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

/// Whether another process could take it; gives it back.
bool free_for_others(const RLock& lock) {
  test::ForkedChild child([&] {
    if (!lock.try_lock()) return 1;
    lock.unlock();
    return 0;
  });
  return child.wait() == 0;
}

}  // namespace

TEST_CASE("RLock: another thread can neither take nor unlock it") {
  const RLock lock;
  lock.lock();
  lock.lock();
  bool taken = true;
  bool refused = false;
  std::thread([&] {
    taken = lock.try_lock_for(1ms);
    try {
      lock.unlock();
    } catch (const UsageError&) {
      refused = true;
    }
  }).join();
  REQUIRE_FALSE(taken);
  REQUIRE(refused);
  lock.unlock();
  lock.unlock();
}

TEST_CASE("RLock: a forked child does not hold what its parent's thread held, however often") {
  const RLock lock;
  lock.lock();
  lock.lock();
  test::ForkedChild child([&] {
    try {
      lock.unlock();
      return 1;
    } catch (const UsageError&) {
    }
    lock.lock();
    lock.unlock();
    return 0;
  });
  test::wait_until_asleep(child.pid());
  lock.unlock();
  lock.unlock();
  REQUIRE(child.wait() == 0);
}

TEST_CASE("RLock: who takes it from the dead holds it once, and is told") {
  const RLock lock;
  test::ForkedChild child([&] {
    lock.lock();
    lock.lock();
  });
  REQUIRE(child.wait() == 0);
  lock.lock();
  REQUIRE(lock.recovered());
  lock.unlock();
  REQUIRE_FALSE(lock.recovered());
  REQUIRE(free_for_others(lock));
}

TEST_CASE("RLock: is an RLock where it arrives, and no Lock") {
  const RLock lock;
  REQUIRE(test::from_message<RLock>(test::to_message(lock)) == lock);
  REQUIRE_THROWS_AS(test::from_message<Lock>(test::to_message(lock)), EncodingError);
  REQUIRE_THROWS_AS(test::from_message<RLock>(test::to_message(Lock())), EncodingError);
}

TEMPLATE_TEST_CASE("RLock: excludes", "", test::Threads, test::Processes) {
  const RLock lock;
  const auto counters = test::make_counters();
  TestType::run(4, [&](int) {
    for (int i = 0; i < 3000; ++i) {
      std::scoped_lock outer(lock);
      const auto seen = (*counters)[0].load(std::memory_order_relaxed);
      std::scoped_lock inner(lock);
      (*counters)[0].store(seen + 1, std::memory_order_relaxed);
    }
  });
  REQUIRE((*counters)[0] == 12'000);
}
