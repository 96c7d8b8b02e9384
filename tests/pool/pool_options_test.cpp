// What a call may ask for: a time limit, retries, a priority; and giving it up.

#include <ipc/pool.hpp>

#include <unistd.h>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <ipc/array.hpp>
#include <ipc/event.hpp>
#include <ipc/value.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using ipc::StartMethod;
using ipc::test::fork_or_spawn;
using ipc::test::square;

namespace {

int for_ever() {
  for (;;) ::pause();
}
int for_ever_busy() {
  volatile int i = 0;
  for (;;) i = i + 1;
}
int own_pid() { return ::getpid(); }

/// Kills its worker until it has been called `times` times.
int die_at_first(const ipc::Value<int>& calls, int times) {
  if (calls.fetch_add(1) < times) ::kill(::getpid(), SIGKILL);
  return calls.get();
}
int hang_at_first(const ipc::Value<int>& calls) {
  if (calls.fetch_add(1) == 0) for_ever();
  return calls.get();
}

}  // namespace

TEST_CASE("pool options: a task that runs for too long fails with TaskTimeout, and its worker is replaced") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const auto before = pool.worker_pids();
  const auto start = std::chrono::steady_clock::now();
  auto late = pool.apply_async({.timeout = 50ms}, for_ever);
  auto late_too = pool.apply_async({.timeout = 50ms}, for_ever_busy);
  auto other = pool.apply_async(square, 6);
  CHECK_THROWS_AS(late.get(), ipc::TaskTimeout);
  CHECK_THROWS_AS(late_too.get(), ipc::TaskTimeout);
  CHECK(std::chrono::steady_clock::now() - start >= 50ms);
  CHECK(other.get() == 36);
  CHECK_THROWS_WITH(pool.apply({.timeout = 50ms}, for_ever), ipc::test::has_text("0.05 s"));
  CHECK(pool.worker_pids().size() == 2);
  for (const pid_t pid : pool.worker_pids()) {
    for (const pid_t old : before) CHECK(pid != old);
  }
  CHECK(pool.apply({.timeout = 100s}, square, 3) == 9);
}

TEST_CASE("pool options: the clock of a time limit starts with the task, not with the call") {
  Pool pool(1);
  std::vector<ipc::AsyncResult<int>> results;
  const auto nap = [] {
    std::this_thread::sleep_for(30ms);
    return 1;
  };
  // Together they take far longer than any of them may.
  for (int i = 0; i < 20; ++i) results.push_back(pool.apply_async({.timeout = 400ms}, nap));
  for (const auto& result : results) CHECK(result.get() == 1);
}

TEST_CASE("pool options: a time limit is kept while nobody waits, and by a pool that slept when the call was made") {
  Pool pool(2);
  CHECK(pool.apply(square, 2) == 4);
  std::this_thread::sleep_for(20ms);  // Now its thread is asleep. If it is not, that is fine as well.
  ipc::Event done;
  pool.apply_async({.timeout = 20ms}, for_ever).on_error([&](const std::exception_ptr&) { done.set(); });
  done.wait();
  auto never = pool.apply_async(for_ever);
  bool cancelled = false;
  std::jthread waiter([&] {
    try {
      never.get();
    } catch (const ipc::Cancelled&) {
      cancelled = true;
    }
  });
  // Another thread is waiting for something else.
  CHECK_THROWS_AS(pool.apply({.timeout = 20ms}, for_ever), ipc::TaskTimeout);
  never.cancel();
  waiter.join();
  CHECK(cancelled);
}

TEST_CASE("pool options: only the overdue task dies with its worker") {
  Pool pool(1);
  for (int round = 0; round < 30; ++round) {
    auto late = pool.apply_async({.timeout = 1ms}, for_ever);
    std::vector<ipc::AsyncResult<int>> behind;
    for (int i = 0; i < 20; ++i) behind.push_back(pool.apply_async(square, i));
    CHECK_THROWS_AS(late.get(), ipc::TaskTimeout);
    for (int i = 0; i < 20; ++i) CHECK(behind[static_cast<std::size_t>(i)].get() == i * i);
  }
}

TEST_CASE("pool options: tasks that end just at their limit give a result or TaskTimeout, and disturb nobody") {
  Pool pool(2);
  const auto nap = [](int us) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(us);
    while (std::chrono::steady_clock::now() < end) continue;
    return us;
  };
  int values = 0;
  int late = 0;
  for (int round = 0; round < 100; ++round) {
    auto tight = pool.apply_async({.timeout = 1ms}, nap, 900 + 3 * round);
    auto other = pool.apply_async(nap, 10);
    try {
      const int value = tight.get();
      CHECK(value == 900 + 3 * round);
      ++values;
    } catch (const ipc::TaskTimeout&) {
      ++late;
    }
    CHECK(other.get() == 10);
  }
  CHECK(values + late == 100);
}

TEST_CASE("pool options: a task that lost its worker is retried as often as it said") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  ipc::Value<int> calls(0);
  CHECK(pool.apply({.retries = 3}, die_at_first, calls, 3) == 4);
  calls.set(0);
  CHECK_THROWS_AS(pool.apply({.retries = 2}, die_at_first, calls, 100), ipc::WorkerLost);
  CHECK(calls.get() == 3);
  calls.set(0);
  CHECK(pool.apply({.timeout = 50ms, .retries = 1}, hang_at_first, calls) == 2);
  calls.set(0);
  // What a task throws is its outcome.
  CHECK_THROWS_AS(pool.apply(
                      {.retries = 5},
                      [](const ipc::Value<int>& c) {
                        c.fetch_add(1);
                        throw std::runtime_error("no");
                      },
                      calls),
                  std::runtime_error);
  CHECK(calls.get() == 1);
  CHECK_THROWS_AS(pool.apply({.retries = -1}, square, 1), std::invalid_argument);
}

TEST_CASE("pool options: maps take them, for each chunk") {
  Pool pool(2);
  std::vector<int> inputs(50);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int>(i);
  const auto hang_at_seven = [](int x) { return x == 7 ? for_ever() : x; };
  CHECK_THROWS_AS(pool.map(hang_at_seven, inputs, {.timeout = 50ms}), ipc::TaskTimeout);
  int late = 0;
  std::size_t values = 0;
  auto results = pool.imap_unordered(hang_at_seven, inputs, {.timeout = 50ms});
  for (;;) {
    try {
      if (!results.next()) break;
      ++values;
    } catch (const ipc::TaskTimeout&) {
      ++late;
      CHECK(results.index() == 7);
    }
  }
  CHECK(late == 1);
  CHECK(values == inputs.size() - 1);
}

TEST_CASE("pool options: of what waits, the most urgent goes first, and equals in their order") {
  Pool pool(1);
  ipc::Array<int> order(20);
  ipc::Value<int> count(0);
  ipc::Event go;
  auto blocker = pool.apply_async([](const ipc::Event& e) { e.wait(); }, go);
  const auto note = [](const ipc::Array<int>& list, const ipc::Value<int>& next, int name) { list.set(next.fetch_add(1), name); };
  std::vector<ipc::AsyncResult<void>> results;
  for (const int priority : {0, -1, 5, 0, 5, 1}) {
    results.push_back(pool.apply_async({.priority = priority}, note, order, count, priority * 10 + static_cast<int>(results.size())));
  }
  go.set();
  for (const auto& result : results) result.get();
  std::vector<int> seen;
  for (int i = 0; i < 6; ++i) seen.push_back(order.get(i));
  CHECK(seen == std::vector<int>{52, 54, 15, 0, 3, -9});
}

TEST_CASE("pool options: a pending task that is cancelled never runs") {
  Pool pool(1);
  ipc::Event go;
  ipc::Value<int> runs(0);
  auto blocker = pool.apply_async([](const ipc::Event& e) { e.wait(); }, go);
  std::vector<ipc::AsyncResult<int>> results;
  for (int i = 0; i < 10; ++i) results.push_back(pool.apply_async([](const ipc::Value<int>& r) { return r.fetch_add(1); }, runs));
  const pid_t worker = pool.worker_pids().front();
  for (std::size_t i = 0; i < 10; i += 2) {
    CHECK(results[i].cancel());
    CHECK(results[i].cancel());
    CHECK(results[i].ready());
    CHECK(results[i].cancelled());
    CHECK_THROWS_AS(results[i].get(), ipc::Cancelled);
    CHECK_FALSE(results[i].successful());
  }
  go.set();
  blocker.get();
  for (std::size_t i = 1; i < 10; i += 2) results[i].get();
  CHECK(runs.get() == 5);
  CHECK(pool.worker_pids() == std::vector<pid_t>{worker});
  CHECK_FALSE(blocker.cancel());
  CHECK_FALSE(blocker.cancelled());
}

TEST_CASE("pool options: a running task that is cancelled loses its worker, and nobody else notices") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  for (int round = 0; round < 10; ++round) {
    ipc::Event running;
    auto task = pool.apply_async(
        [](const ipc::Event& e) {
          e.set();
          return for_ever();
        },
        running);
    std::vector<ipc::AsyncResult<int>> others;
    for (int i = 0; i < 50; ++i) others.push_back(pool.apply_async(square, i));
    running.wait();
    CHECK(task.cancel());
    CHECK_THROWS_AS(task.get(), ipc::Cancelled);
    for (int i = 0; i < 50; ++i) CHECK(others[static_cast<std::size_t>(i)].get() == i * i);
  }
  CHECK(pool.worker_pids().size() == 2);
}

TEST_CASE("pool options: cancelling at any moment ends in a value or Cancelled, and others keep theirs") {
  Pool pool(2);
  int values = 0;
  int cancelled = 0;
  for (int round = 0; round < 300; ++round) {
    auto first = pool.apply_async(square, round);
    auto task = pool.apply_async(square, 3);
    auto last = pool.apply_async(square, round);
    for (int i = 0; i < round % 50; ++i) std::this_thread::yield();
    const bool given_up = task.cancel();
    try {
      const int value = task.get();
      CHECK(value == 9);
      CHECK_FALSE(given_up);
      ++values;
    } catch (const ipc::Cancelled&) {
      CHECK(given_up);
      ++cancelled;
    }
    CHECK(first.get() == round * round);
    CHECK(last.get() == round * round);
  }
  CHECK(values + cancelled == 300);
}

TEST_CASE("pool options: a cancelled map gives up what has not begun, and what runs") {
  Pool pool(2);
  ipc::Value<int> begun(0);
  auto list = pool.starmap_async(
      [](const ipc::Value<int>& b, int) {
        b.fetch_add(1);
        return for_ever();
      },
      std::vector<std::pair<ipc::Value<int>, int>>(100, {begun, 1}), {.chunksize = 1});
  while (begun.get() < 2) std::this_thread::yield();
  CHECK(list.cancel());
  CHECK_THROWS_AS(list.get(), ipc::Cancelled);
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
  CHECK(begun.get() == 2);
}

TEST_CASE("pool options: close and join end although tasks were cancelled or overran") {
  Pool pool(2);
  auto late = pool.apply_async({.timeout = 20ms}, for_ever);
  auto cancelled = pool.apply_async(for_ever);
  auto pid = pool.apply_async({.retries = 1}, own_pid);
  pool.close();
  cancelled.cancel();
  pool.join();
  CHECK_THROWS_AS(late.get(), ipc::TaskTimeout);
  CHECK_THROWS_AS(cancelled.get(), ipc::Cancelled);
  CHECK(pid.get() > 0);
}
