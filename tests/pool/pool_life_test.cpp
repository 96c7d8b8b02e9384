// How a pool begins and ends, and who its workers are.

#include <ipc/pool.hpp>

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using ipc::Pool;
using ipc::StartMethod;
using namespace ipc::test;

namespace {

std::string got;  // By the initialiser, in the worker.

}  // namespace

TEST_CASE("pool: bad arguments are refused") {
  CHECK_THROWS_AS(Pool(0), std::invalid_argument);
  CHECK_THROWS_AS(Pool(-1), std::invalid_argument);
  CHECK_THROWS_AS(Pool({.processes = 1, .max_tasks_per_child = 0}), std::invalid_argument);
  CHECK_THROWS_AS(Pool({.processes = 1, .max_tasks_per_child = -1}), std::invalid_argument);
}

TEST_CASE("pool: a closed pool finishes what it has and takes no more") {
  Pool pool(2);
  CHECK_THROWS_AS(pool.join(), ipc::UsageError);
  std::vector<ipc::AsyncResult<int>> results;
  for (int i = 0; i < 50; ++i) results.push_back(pool.apply_async(slow, i));
  pool.close();
  pool.close();
  CHECK_THROWS_AS(pool.apply(square, 1), ipc::UsageError);
  pool.join();
  for (int i = 0; i < 50; ++i) CHECK(results[static_cast<std::size_t>(i)].get() == i);
  CHECK(pool.worker_pids().empty());
  pool.join();
}

TEST_CASE("pool: terminate ends tasks that would never end, and their results say so") {
  Pool pool(2);
  auto results = std::vector{pool.apply_async(for_ever, 0), pool.apply_async(for_ever, 0), pool.apply_async(square, 1)};
  auto list = pool.map_async(slow, numbers(10000), {.chunksize = 1});
  auto lazy = pool.imap(for_ever, numbers(3));
  pool.terminate();
  pool.terminate();
  pool.join();
  for (const auto& result : {results[0], results[1]}) CHECK_THROWS_AS(result.get(), ipc::PoolTerminated);
  CHECK_THROWS_AS(list.get(), ipc::PoolTerminated);
  CHECK_THROWS_AS(lazy.next(), ipc::PoolTerminated);
  CHECK_THROWS_AS(pool.apply(square, 1), ipc::UsageError);
}

TEST_CASE("pool: results outlive the pool") {
  auto result = [] {
    Pool pool(1);
    auto pending = pool.apply_async(for_ever, 0);
    return pending;
  }();
  CHECK_THROWS_AS(result.get(), ipc::PoolTerminated);
}

TEST_CASE("pool: the initialiser runs once in each worker, and its failure is the pool's") {
  static int initialised = 0;
  const auto method = any_method();
  {
    Pool pool(
        {.processes = 2, .start_method = method},
        [](int value, const std::string& text) { initialised += value + static_cast<int>(text.size()); }, 40, std::string("ab"));
    CHECK(pool.apply([] { return initialised; }) == 42);
  }
  Pool failing({.processes = 2, .start_method = method}, [] { throw std::domain_error("cannot begin"); });
  CHECK_THROWS_AS(failing.apply(square, 1), std::domain_error);
  CHECK_THROWS_WITH(failing.apply(square, 1), "cannot begin");
}

TEST_CASE("pool: an initialiser gets its arguments as a task does") {
  const ipc::StartMethod method = fork_or_spawn();
  const auto keep = [](std::string&& text, int& more, const char* end) { got = std::move(text) + std::to_string(more) + end; };
  Pool pool({.processes = 1, .start_method = method}, keep, std::string("text"), 1, "end");
  CHECK(pool.apply([] { return got; }) == "text1end");
}

TEST_CASE("pool: an initialiser that may hold anything needs forked workers") {
  int x = 0;
  CHECK_THROWS_AS(Pool({.processes = 1, .initializer = [&] { ++x; }, .start_method = StartMethod::spawn}), ipc::NotShippable);
  Pool forked({.processes = 1, .initializer = [&] { ++x; }});
  CHECK(forked.apply(square, 2) == 4);
}

TEST_CASE("pool: workers are replaced after max_tasks_per_child tasks") {
  Pool pool({.processes = 3, .max_tasks_per_child = 10});
  std::set<int> pids;
  for (int pid : pool.imap_unordered(own_pid, numbers(100))) pids.insert(pid);
  CHECK(pids.size() >= 10);
  Pool one({.processes = 3, .max_tasks_per_child = 1});
  auto results = one.map_async(square, numbers(30), {.chunksize = 1});
  one.close();
  one.join();
  CHECK(results.get() == squares(30));
}

TEST_CASE("pool: many workers") {
  Pool pool(200);
  CHECK(pool.worker_pids().size() == 200);
  CHECK(pool.map(square, numbers(1000)) == squares(1000));
}

TEST_CASE("pool: workers have names, and know that they are workers") {
  Pool pool(1);
  CHECK(pool.apply([] { return ipc::current_process().name(); }) == "PoolWorker-1");
  CHECK(pool.stats().front().name == "PoolWorker-1");
  Pool named({.processes = 1, .name = "Fit"});
  CHECK(named.apply([] { return ipc::current_process().name(); }) == "FitWorker-1");
}

TEST_CASE("pool: a task may make a pool of its own") {
  Pool pool(2);
  const auto nested = [](int x) {
    Pool inner(2);
    return inner.apply(square, x);
  };
  CHECK(pool.map(nested, numbers(4)) == squares(4));
}

TEST_CASE("pool: a forked copy cannot be used, and leaves the workers alone") {
  Pool pool(1);
  ipc::Process child([&] {
    try {
      pool.apply(square, 1);
    } catch (const ipc::UsageError&) {
      return 7;
    }
    return 0;
  });
  child.start();
  child.join();
  CHECK(child.exitcode() == 7);
  CHECK(pool.apply(square, 3) == 9);
}
