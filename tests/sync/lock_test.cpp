#include <ipc/lock.hpp>

#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <ipc/error.hpp>
#include <ipc/rlock.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

/// Runs `body` in another thread, to its end.
template <class F>
auto elsewhere(F body) {
  decltype(body()) result{};
  std::thread([&] { result = body(); }).join();
  return result;
}

}  // namespace

TEST_CASE("Lock: taken once, it is taken for everybody until its holder unlocks it") {
  const Lock lock;
  lock.lock();
  REQUIRE_FALSE(lock.try_lock());
  REQUIRE_FALSE(elsewhere([&] { return lock.try_lock(); }));
  test::ForkedChild child([&] { return lock.try_lock() ? 1 : 0; });
  REQUIRE(child.wait() == 0);
  lock.unlock();
  REQUIRE(elsewhere([&] {
    const bool taken = lock.try_lock();
    if (taken) lock.unlock();
    return taken;
  }));
}

TEST_CASE("Lock: misuse is a usage error") {
  const Lock lock;
  REQUIRE_THROWS_AS(lock.unlock(), UsageError);
  lock.lock();
  REQUIRE_THROWS_AS(lock.lock(), UsageError);
  REQUIRE(elsewhere([&] {
    try {
      lock.unlock();
    } catch (const UsageError&) {
      return true;
    }
    return false;
  }));
  lock.unlock();
  REQUIRE_THROWS_AS(lock.unlock(), UsageError);
}

TEST_CASE("Lock: try_lock_for waits its time, also for what this thread holds itself, and gives false") {
  const Lock lock;
  lock.lock();
  for (const bool own : {true, false}) {
    const auto start = std::chrono::steady_clock::now();
    const auto attempt = [&] { return lock.try_lock_for(30ms); };
    REQUIRE_FALSE((own ? attempt() : elsewhere(attempt)));
    REQUIRE(std::chrono::steady_clock::now() - start >= 30ms);
    REQUIRE_FALSE((own ? lock.try_lock_for(-1s) : elsewhere([&] { return lock.try_lock_for(0s); })));
  }
  lock.unlock();
  REQUIRE(lock.try_lock_for(0s));
  lock.unlock();
}

TEST_CASE("Lock: works with the standard guards") {
  const Lock a;
  const Lock b;
  {
    std::scoped_lock guard(a, b);
    REQUIRE_FALSE(a.try_lock());
  }
  std::unique_lock guard(a, 10ms);
  REQUIRE(guard.owns_lock());
}

TEST_CASE("Lock: a forked child does not hold what its parent's thread held") {
  const Lock lock;
  lock.lock();
  test::ForkedChild child([&] {
    try {
      lock.unlock();
      return 1;
    } catch (const UsageError&) {
    }
    lock.lock();  // When the parent lets go.
    return lock.recovered() ? 2 : 0;
  });
  test::wait_until_asleep(child.pid());
  lock.unlock();
  REQUIRE(child.wait() == 0);
}

TEST_CASE("Lock: who takes it from the dead is told until it unlocks") {
  const Lock lock;
  REQUIRE_FALSE(lock.recovered());
  test::ForkedChild child([&] { lock.lock(); });
  REQUIRE(child.wait() == 0);
  lock.lock();
  REQUIRE(lock.recovered());
  REQUIRE(elsewhere([&] { return lock.recovered(); }));
  lock.unlock();
  REQUIRE_FALSE(lock.recovered());
  lock.lock();
  REQUIRE_FALSE(lock.recovered());
  lock.unlock();
}

TEST_CASE("Lock: a waiter gets it when the holder is killed") {
  const Lock lock;
  const auto counters = test::make_counters();
  test::ForkedChild holder([&] {
    lock.lock();
    (*counters)[0] = 1;
    ::pause();
  });
  test::wait_until([&] { return (*counters)[0] == 1; });
  test::ForkedChild waiter([&] {
    lock.lock();
    return lock.recovered() ? 0 : 1;
  });
  test::wait_until_asleep(waiter.pid());
  holder.kill();
  REQUIRE(waiter.wait() == 0);
}

TEST_CASE("Lock: travels in messages and is the same lock there") {
  const Lock lock;
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] {
    const auto received = test::from_message<Lock>(test::receive_message(there.get()));
    return received.try_lock() ? 1 : 0;
  });
  const Lock later;  // Did not exist when the child was forked.
  later.lock();
  test::send_message(here.get(), test::to_message(later));
  REQUIRE(child.wait() == 0);
  REQUIRE(test::from_message<Lock>(test::to_message(lock)) == lock);
}

TEST_CASE("Lock: a handle thrown away under the lock harms nobody") {
  for (int i = 0; i < 100; ++i) {
    const Lock other;
    other.lock();
    { Lock().lock(); }
    const Lock next;  // Likely in the same memory.
    next.lock();
    other.unlock();
    next.unlock();
  }
}

TEMPLATE_TEST_CASE("Lock: excludes", "", test::Threads, test::Processes) {
  const Lock lock;
  const auto counters = test::make_counters();
  TestType::run(4, [&](int) {
    for (int i = 0; i < 5000; ++i) {
      std::scoped_lock guard(lock);
      // Relaxed, and not one step: only the lock makes it right.
      (*counters)[0].store((*counters)[0].load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
  });
  REQUIRE((*counters)[0] == 20'000);
}

TEST_CASE("Lock: a thread holds no more than the kernel takes from it when it is killed") {
  const std::vector<Lock> locks(2100);
  const RLock again;
  const auto hold = [&] {
    again.lock();
    std::size_t held = 0;
    try {
      for (const Lock& lock : locks) {
        lock.lock();
        ++held;
      }
    } catch (const UsageError&) {
    }
    again.lock();  // No other lock.
    return held;
  };
  const std::size_t held = elsewhere(hold);  // A thread that ends is as dead as a process.
  REQUIRE(held >= 1990);
  REQUIRE(held < 2000);
  test::ForkedChild child([&] {
    hold();
    ::kill(::getpid(), SIGKILL);
  });
  REQUIRE(child.wait() == -SIGKILL);
  for (const Lock& lock : locks) {
    REQUIRE(lock.try_lock());
    lock.unlock();
  }
  REQUIRE(elsewhere([&] {
    hold();
    return test::ForkedChild([] { Lock().lock(); }).wait() == 0;  // The child holds none of them.
  }));
}
