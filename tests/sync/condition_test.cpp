#include <ipc/condition.hpp>

#include <mutex>
#include <stdexcept>
#include <thread>

#include <ipc/error.hpp>
#include <ipc/lock.hpp>
#include <ipc/rlock.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

/// Processes that wait for a condition once; [0] counts those that are about to, [1] those that were woken.
struct Sleepers {
  Condition condition;
  std::shared_ptr<test::Counters> counters = test::make_counters();
  std::vector<test::ForkedChild> children;

  void add(int count) {
    const std::int64_t before = (*counters)[0];
    for (int i = 0; i < count; ++i) {
      children.emplace_back([this] {
        std::scoped_lock guard(condition);
        ++(*counters)[0];
        condition.wait();
        ++(*counters)[1];
      });
    }
    // They count themselves under the lock, and give it up when they wait: who holds it now finds all of them waiting.
    test::wait_until([&] { return (*counters)[0] == before + count; });
    std::scoped_lock guard(condition);
  }
  void notify(int n) {
    std::scoped_lock guard(condition);
    condition.notify(n);
  }
  void woken(int count) {
    test::wait_until([&] { return (*counters)[1] >= count; });
  }
  std::int64_t woken() const { return (*counters)[1]; }
};

}  // namespace

TEST_CASE("Condition: notify wakes exactly as many as it says, those that wait longest first") {
  Sleepers sleepers;
  sleepers.add(1);
  sleepers.add(6);
  sleepers.notify(1);
  REQUIRE(sleepers.children[0].wait() == 0);
  sleepers.notify(2);
  sleepers.woken(3);
  sleepers.notify(0);
  sleepers.notify(3);
  sleepers.woken(6);
  REQUIRE(sleepers.woken() == 6);
  sleepers.notify(1);
  for (std::size_t i = 1; i < 7; ++i) REQUIRE(sleepers.children[i].wait() == 0);
  sleepers.notify(3);  // Nobody waits: nothing is remembered.
  std::scoped_lock guard(sleepers.condition);
  REQUIRE_FALSE(sleepers.condition.wait_for(1ms));
}

TEST_CASE("Condition: a predicate is waited for, and its last word returned") {
  const Condition condition;
  const auto counters = test::make_counters();
  test::ForkedChild child([&] {
    for (int i = 1; i <= 4; ++i) {
      std::scoped_lock guard(condition);
      (*counters)[0] = i;
      condition.notify();
      if (i < 4) condition.wait([&] { return (*counters)[1] >= i; });
    }
  });
  {
    std::scoped_lock guard(condition);
    for (int i = 1; i <= 4; ++i) {
      condition.wait([&] { return (*counters)[0] >= i; });
      (*counters)[1] = i;
      condition.notify();
    }
    const auto start = std::chrono::steady_clock::now();
    REQUIRE_FALSE(condition.wait_for(20ms, [] { return false; }));
    REQUIRE(std::chrono::steady_clock::now() - start >= 20ms);
    REQUIRE(condition.wait_for(0ms, [] { return true; }));
  }
  REQUIRE(child.wait() == 0);
}

TEST_CASE("Condition: waiting gives up an RLock however often it was taken, and takes it as often again") {
  const RLock lock;
  const Condition condition(lock);
  lock.lock();
  lock.lock();
  condition.lock();
  test::ForkedChild child([&] {
    std::scoped_lock guard(lock);
    condition.notify();
  });
  condition.wait();
  lock.unlock();
  lock.unlock();
  lock.unlock();
  REQUIRE_THROWS_AS(lock.unlock(), UsageError);
  REQUIRE(child.wait() == 0);
}

TEST_CASE("Condition: travels in messages with its lock") {
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] {
    const auto condition = test::from_message<Condition>(test::receive_message(there.get()));
    std::scoped_lock guard(condition);
    condition.notify();
  });
  const Condition condition;
  std::scoped_lock guard(condition);
  test::send_message(here.get(), test::to_message(condition));
  condition.wait();
  REQUIRE(child.wait() == 0);
}

TEMPLATE_TEST_CASE("Condition: no notification is lost or used twice", "", test::Threads, test::Processes) {
  const Condition condition;
  const auto counters = test::make_counters();
  auto& items = (*counters)[0];
  auto& taken = (*counters)[1];
  constexpr int count = 3000;
  // Two make items and notify one for each, two take them and wait without asking again: a lost wake hangs.
  TestType::run(4, [&](int who) {
    for (int i = 0; i < count; ++i) {
      std::scoped_lock guard(condition);
      if (who < 2) {
        ++items;
        condition.notify();
      } else {
        condition.wait([&] { return items > 0; });
        --items;
        ++taken;
      }
    }
  });
  REQUIRE(items == 0);
  REQUIRE(taken == 2 * count);
}
