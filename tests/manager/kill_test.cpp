#include <atomic>
#include <csignal>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <ipc/manager.hpp>
#include <ipc/process.hpp>
#include <ipc/value.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::ListProxy;
using ipc::test::ForkedChild;
using ipc::test::KillStorm;
using ipc::test::wait_until;

TEST_CASE("clients killed while they hold locks, update and nest objects leave no object, no lock and no half change") {
  const ipc::Manager m;
  const auto lock = m.Lock();
  const auto rlock = m.RLock();
  const auto queue = m.Queue<int>(1);
  const auto pair = m.Value<std::pair<long, long>>({0, 0});
  const auto outer = m.dict<std::string, ListProxy<ListProxy<int>>>();
  const std::size_t before = m.number_of_objects();
  std::mt19937 random(5);
  for (int kill = KillStorm::kills(50); kill != 0; --kill) {
    const ipc::Value<int> rounds(0);
    ForkedChild child([&] {
      for (;;) {
        rounds.fetch_add(1);
        lock.lock();
        rlock.lock();
        pair.update([](std::pair<long, long>& p) {
          ++p.first;
          ++p.second;
        });
        outer["nested"] = m.list<ListProxy<int>>({m.list<int>({1}), m.list<int>()});
        outer.get("nested").append(m.list<int>({2}));
        const bool put = queue.try_put(1);
        rlock.unlock();
        lock.unlock();
        if (put) queue.get();
      }
    });
    const int enough = static_cast<int>(random() % 8);
    wait_until([&] { return rounds.get() > enough; });
    for (auto spin = random() % 20000; spin != 0; --spin) std::atomic_signal_fence(std::memory_order_seq_cst);
    child.kill();
    child.wait();
    // Whoever comes next gets both, and sees whole values.
    lock.lock();
    rlock.lock();
    const auto [first, second] = pair.get();
    CHECK(first == second);
    rlock.unlock();
    lock.unlock();
    static_cast<void>(queue.try_get());
    outer.clear();
    wait_until([&] { return m.number_of_objects() == before; });
  }
}

TEST_CASE("a killed client that waits is not given what it waited for") {
  const ipc::Manager m;
  const auto queue = m.Queue<int>();
  const auto semaphore = m.Semaphore(0);
  const auto event = m.Event();
  std::vector<ForkedChild> children;
  const ipc::Value<int> ready(0);
  for (int i = 0; i < 3; ++i) {
    children.emplace_back([&, i] {
      ready.fetch_add(1);
      if (i == 0) queue.get();
      if (i == 1) semaphore.acquire();
      if (i == 2) event.wait();
    });
  }
  wait_until([&] { return ready.get() == 3; });
  for (ForkedChild& child : children) ipc::test::wait_until_asleep(child.pid());
  for (ForkedChild& child : children) {
    child.kill();
    child.wait();
  }
  // The children's sessions have ended when all that they held is gone.
  queue.put(7);
  wait_until([&] {
    const auto item = queue.try_get_for(1ms);
    if (!item) queue.put(7);
    return item.has_value();
  });
  semaphore.release();
  wait_until([&] { return semaphore.try_acquire() || (semaphore.release(), false); });
}

TEST_CASE("every client of a killed server is told at once, whatever it waits for") {
  for (int kill = KillStorm::kills(10); kill != 0; --kill) {
    const ipc::Manager m;
    const auto queue = m.Queue<int>();
    const auto server = m.object<int>().call([](int&) { return ipc::current_process().pid(); });
    const ipc::Value<int> ready(0);
    const auto is_lost = [&](auto call) {
      ready.fetch_add(1);
      try {
        for (;;) call();
      } catch (const ipc::ManagerLost&) {
        return 0;
      }
    };
    std::vector<ForkedChild> clients;
    clients.emplace_back([&] { return is_lost([&] { queue.get(); }); });
    clients.emplace_back([&] { return is_lost([&] { queue.qsize(); }); });
    clients.emplace_back([&] { return is_lost([&] { m.list<ListProxy<int>>({m.list<int>()}); }); });
    wait_until([&] { return ready.get() == 3; });
    ::kill(server, SIGKILL);
    for (ForkedChild& client : clients) CHECK(client.wait() == 0);
  }
}

}  // namespace
