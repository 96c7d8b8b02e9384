// Managed pools whose clients, workers and keepers are killed at random.
#include <unistd.h>

#include <csignal>
#include <numeric>
#include <random>
#include <vector>

#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/kill_storm.hpp"
#include "tests/support/watched.hpp"

namespace {

using ipc::Manager;
using ipc::PoolProxy;
using ipc::test::ForkedChild;
using ipc::test::KillStorm;
using ipc::test::require;
using ipc::test::wait_until;
using ipc::test::Watched;

int square(int x) { return x * x; }

/// One call of one sort or another, and whether what it gives is right.
void use(const PoolProxy& pool, unsigned how) {
  std::vector<int> numbers(10 + how % 7);
  std::iota(numbers.begin(), numbers.end(), static_cast<int>(how % 100));
  const auto check = [&](std::size_t i, int result) { require(result == square(numbers[i]), "a wrong result"); };
  switch (how % 4) {
    case 0:
      return check(0, pool.apply(square, numbers[0]));
    case 1: {
      const auto results = pool.map(square, numbers, {.chunksize = 3});
      require(results.size() == numbers.size(), "results are missing");
      for (std::size_t i = 0; i < results.size(); ++i) check(i, results[i]);
      return;
    }
    case 2: {
      std::vector<ipc::AsyncResultProxy<int>> results;
      for (const int number : numbers) results.push_back(pool.apply_async(square, number));
      results.pop_back();  // Nobody wants that one.
      for (std::size_t i = 0; i < results.size(); ++i) check(i, results[i].get());
      return;
    }
    default: {
      auto results = pool.imap(square, numbers);
      for (std::size_t i = 0; i < numbers.size() / 2; ++i) check(i, results.next().value());
      return;
    }
  }
}

TEST_CASE("clients and workers of a managed pool killed at random: what the others get is right, and nothing is left") {
  const Manager m;
  const int kills = KillStorm::kills(20);
  {
    const auto pool = m.Pool(2);
    KillStorm storm(3, [&](int index) {
      static std::mt19937 random(static_cast<unsigned>(::getpid()));
      try {
        // One of them kills the workers, too, now and then.
        if (index == 0 && random() % 8 == 0) ::kill(pool.worker_pids().at(random() % 2), SIGKILL);
        use(pool, static_cast<unsigned>(random()));
      } catch (const ipc::WorkerLost&) {
      }
    });
    storm.run(kills, 17);
  }
  wait_until([&] { return m.number_of_objects() == 0; });
}

TEST_CASE("keepers killed at random: every call of every client ends, and no worker is left") {
  const Manager m;
  std::mt19937 random(23);
  for (int kill = KillStorm::kills(20) / 4; kill != 0; --kill) {
    const auto pool = m.Pool(2);
    const Watched workers(pool.worker_pids());
    const pid_t keeper = pool.apply([] { return ipc::parent_process().value().pid(); });
    const auto calls = m.Value<int>(0);
    std::vector<ForkedChild> clients;
    for (unsigned i = 0; i < 3; ++i) {
      clients.emplace_back([&, i] {
        try {
          for (unsigned how = i;; how += 3) {
            use(pool, how);
            calls.fetch_add(1);
          }
        } catch (const ipc::PoolTerminated&) {
        }
      });
    }
    const int enough = static_cast<int>(random() % 20);
    wait_until([&] { return calls.get() > enough; });
    if (random() % 2 == 0) clients.pop_back();  // It is killed, too.
    ::kill(keeper, SIGKILL);
    for (ForkedChild& client : clients) CHECK(client.wait() == 0);
    workers.wait_for_end();
    CHECK_THROWS_AS(pool.apply(square, 1), ipc::PoolTerminated);
  }
  wait_until([&] { return m.number_of_objects() == 0; });
}

}  // namespace
