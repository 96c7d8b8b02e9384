// What a pool's callers get while somebody kills its workers at random.

#include <ipc/pool.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using ipc::test::KillStorm;  // IPC_TEST_KILLS=1000 is 200,000 tasks.
using ipc::test::square;

namespace {

int slow_double(int x) {
  volatile int sum = 0;
  for (int i = 0; i < 20000; ++i) sum = sum + i % 3;
  return x * 2;
}

}  // namespace

TEST_CASE("pool death: under random kills every result is right or WorkerLost, none is missing") {
  Pool pool(3);
  const int wanted = KillStorm::kills(100);
  std::vector<int> inputs(static_cast<std::size_t>(wanted) * 200);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int>(i);
  std::atomic<int> kills{0};
  std::atomic<bool> done{false};
  std::jthread killer([&] {
    std::mt19937 random(17);
    while (!done && kills < wanted) {
      const auto pids = pool.worker_pids();
      if (pids.empty()) continue;
      if (::kill(pids[random() % pids.size()], SIGKILL) == 0) ++kills;
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    }
  });
  std::size_t right = 0;
  std::size_t lost = 0;
  std::set<std::size_t> seen;
  auto results = pool.imap_unordered(slow_double, inputs);
  for (;;) {
    try {
      const auto value = results.next();
      if (!value) break;
      REQUIRE(*value == 2 * static_cast<int>(results.index()));
      ++right;
    } catch (const ipc::WorkerLost&) {
      ++lost;
    }
    REQUIRE(seen.insert(results.index()).second);
  }
  done = true;
  killer.join();
  CHECK(right + lost == inputs.size());
  CHECK(lost <= static_cast<std::size_t>(kills.load()));
  CHECK(kills > 20);
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
  while (pool.worker_pids().size() != 3) pool.apply(square, 1);
}

TEST_CASE("pool death: with retries, random kills cost no result at all") {
  const int wanted = KillStorm::kills(40);
  Pool pool(3);
  const auto work = [](int x) {
    volatile int sum = 0;
    for (int i = 0; i < 2000; ++i) sum = sum + i % 3;
    return x * 2;
  };
  std::vector<int> inputs(static_cast<std::size_t>(wanted) * 200);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int>(i);
  std::mt19937 random(5);
  int kills = 0;
  std::size_t taken = 0;
  // A kill for each 200 results, at any point of what the workers are doing then.
  auto results = pool.imap(work, inputs, {.chunksize = 1, .retries = 1000});
  for (const int value : results) {
    REQUIRE(value == 2 * static_cast<int>(taken));
    if (++taken % 200 != 0) continue;
    for (auto spins = random() % 2000; spins != 0; --spins) std::atomic_signal_fence(std::memory_order_seq_cst);
    const auto pids = pool.worker_pids();
    if (!pids.empty() && ::kill(pids[random() % pids.size()], SIGKILL) == 0) ++kills;
  }
  CHECK(taken == inputs.size());
  CHECK(kills > wanted / 2);
  while (pool.worker_pids().size() != 3) pool.apply(square, 1);
}

// The elements of a chunk that lost its worker are done again, in chunks that may be others.
TEST_CASE("pool death: with retries, random kills cost a map with automatic chunks nothing") {
  Pool pool(3);
  const int wanted = KillStorm::kills(20);
  std::vector<int> inputs(10'000);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int>(i);
  std::mt19937 random(11);
  for (int kills = 0; kills < wanted;) {
    const auto doubles = pool.map_async(slow_double, inputs, {.retries = 1000});
    // Without a limit it is a race, on a busy machine, between the killer's clock and the workers' starts.
    const int last = kills + 50;
    while (!doubles.wait_for(std::chrono::microseconds(random() % 20'000))) {
      const auto pids = pool.worker_pids();
      if (kills != last && !pids.empty() && ::kill(pids[random() % pids.size()], SIGKILL) == 0) ++kills;
    }
    const auto values = doubles.get();
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      if (values[i] != 2 * inputs[i]) FAIL("element " << i << " gave " << values[i]);
    }
  }
}

TEST_CASE("pool death: map_async under random kills ends, with the list or with WorkerLost") {
  Pool pool(2);
  int kills = 0;
  while (kills < 200) {
    auto list = pool.map_async(slow_double, std::vector<int>(20000, 5), {.chunksize = 10});
    std::mt19937 random(static_cast<unsigned>(kills));
    while (!list.ready() && kills < 200) {
      const auto pids = pool.worker_pids();
      if (!pids.empty() && ::kill(pids[random() % pids.size()], SIGKILL) == 0) ++kills;
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
    }
    try {
      const auto values = list.get();
      CHECK(values == std::vector<int>(20000, 10));
    } catch (const ipc::WorkerLost& lost) {
      CHECK(lost.exitcode() == -SIGKILL);
    }
  }
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
}
