// CPython's test_wait, test_as_completed and test_future, as far as results of a pool go.

#include <ipc/as_completed.hpp>

#include <poll.h>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <ipc/event.hpp>
#include <ipc/pool.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using namespace ipc::test;
using ipc::AsyncResult;
using ipc::Pool;
using ipc::WaitFor;
using Positions = std::vector<std::size_t>;

namespace {

int fail(int) { throw std::runtime_error("failed"); }
int after(const ipc::Event& event, int x) {
  event.wait();
  return x;
}

}  // namespace

TEST_CASE("as_completed: gives each result once, in the order in which they become ready") {
  Pool pool({.processes = 3, .start_method = fork_or_spawn()});
  std::vector<ipc::Event> events(3);
  std::vector<AsyncResult<int>> results;
  for (std::size_t i = 0; i < 3; ++i) results.push_back(pool.apply_async(after, events[i], static_cast<int>(i)));
  std::vector<int> seen;
  auto completed = ipc::as_completed(results);
  const std::vector<std::size_t> order{1, 2, 0};
  events[order[0]].set();
  for (const auto& result : completed) {
    CHECK(result.ready());
    CHECK(completed.index() == order[seen.size()]);
    seen.push_back(result.get());
    if (seen.size() < 3) events[order[seen.size()]].set();
  }
  CHECK(seen == std::vector<int>{1, 2, 0});
}

TEST_CASE("as_completed: results that are ready come first, and a duplicate once") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  auto done = pool.apply_async(square, 2);
  auto failed = pool.apply_async(fail, 2);
  auto cancelled = pool.apply_async(for_ever, 2);
  done.wait();
  failed.wait();
  cancelled.cancel();
  auto pending = pool.apply_async(square, 5);
  std::vector<AsyncResult<int>> results{pending, done, failed, done, cancelled, pending};
  std::multiset<std::size_t> seen;
  auto completed = ipc::as_completed(results, 100s);
  for ([[maybe_unused]] const auto& result : completed) seen.insert(completed.index());
  CHECK(seen == std::multiset<std::size_t>{0, 1, 2, 4});
  CHECK(ipc::as_completed(std::vector<AsyncResult<int>>()).next() == std::nullopt);
}

TEST_CASE("as_completed: says after its time-out how many are left") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  std::vector<AsyncResult<int>> results{pool.apply_async(for_ever, 1), pool.apply_async(square, 3), pool.apply_async(for_ever, 1)};
  const auto timeout = GENERATE(0ms, 30ms);
  results[1].wait();
  auto completed = ipc::as_completed(results, timeout);
  CHECK(completed.next()->get() == 9);
  CHECK_THROWS_WITH(completed.next(), ipc::test::has_text("2 (of 3)"));
  CHECK_THROWS_AS(completed.next(), ipc::TimeoutError);
}

TEST_CASE("as_completed: thousands of results, of several pools") {
  Pool a(2);
  Pool b(1);
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 3000; ++i) results.push_back((i % 3 == 0 ? a : b).apply_async(square, i));
  std::vector<int> seen;
  for (const auto& result : ipc::as_completed(results)) seen.push_back(result.get());
  std::sort(seen.begin(), seen.end());
  REQUIRE(seen.size() == 3000);
  for (int i = 0; i < 3000; ++i) REQUIRE(seen[static_cast<std::size_t>(i)] == i * i);
}

TEST_CASE("wait: first_completed") {
  Pool pool({.processes = 3, .start_method = fork_or_spawn()});
  ipc::Event go;
  std::vector<AsyncResult<int>> results{pool.apply_async(for_ever, 1), pool.apply_async(after, go, 2)};
  std::jthread setter([&] { go.set(); });
  auto [done, not_done] = ipc::wait(results, WaitFor::first_completed);
  CHECK(done == Positions{1});
  CHECK(not_done == Positions{0});
  // What is done already counts.
  results.push_back(pool.apply_async(for_ever, 1));
  CHECK(ipc::wait(results, WaitFor::first_completed).done == Positions{1});
}

TEST_CASE("wait: first_exception") {
  Pool pool({.processes = 3, .start_method = fork_or_spawn()});
  auto failing = std::vector<AsyncResult<int>>{pool.apply_async(square, 1), pool.apply_async(for_ever, 1)};
  failing[0].wait();
  failing.push_back(pool.apply_async(fail, 1));
  const auto result = ipc::wait(failing, WaitFor::first_exception);
  CHECK(result.done == Positions{0, 2});
  CHECK(result.not_done == Positions{1});
  // A cancelled one has not failed.
  auto cancelled = pool.apply_async(for_ever, 1);
  cancelled.cancel();
  const std::vector<AsyncResult<int>> mixed{failing[1], cancelled};
  CHECK(ipc::wait(mixed, WaitFor::first_exception, 30ms).done == Positions{1});
  const std::vector<AsyncResult<int>> fine{pool.apply_async(square, 1), pool.apply_async(square, 2)};
  CHECK(ipc::wait(fine, WaitFor::first_exception).done == Positions{0, 1});
  // It has failed before.
  CHECK(ipc::wait(std::vector<AsyncResult<int>>{failing[1], failing[2]}, WaitFor::first_exception).done == Positions{1});
}

TEST_CASE("wait: all_completed, with duplicates and a time-out") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  auto a = pool.apply_async(square, 1);
  auto b = pool.apply_async(fail, 1);
  const std::vector<AsyncResult<int>> twice{a, b, a};
  const auto all = ipc::wait(twice);
  CHECK(all.done == Positions{0, 1, 2});
  CHECK(all.not_done.empty());
  auto never = pool.apply_async(for_ever, 1);
  const std::vector<AsyncResult<int>> some{a, never};
  const auto timed_out = ipc::wait(some, WaitFor::all_completed, 30ms);
  CHECK(timed_out.done == Positions{0});
  CHECK(timed_out.not_done == Positions{1});
  CHECK(ipc::wait(some, WaitFor::all_completed, 0s).done == Positions{0});
}

TEST_CASE("wait: in a loop, until nothing is left") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 100; ++i) results.push_back(pool.apply_async(square, i));
  std::size_t total = 0;
  while (!results.empty()) {
    const auto [done, not_done] = ipc::wait(results, WaitFor::first_completed);
    REQUIRE_FALSE(done.empty());
    total += done.size();
    std::vector<AsyncResult<int>> rest;
    for (const std::size_t i : not_done) rest.push_back(results[i]);
    results = std::move(rest);
  }
  CHECK(total == 100);
}

TEST_CASE("wait: terminating the pool ends it") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const std::vector<AsyncResult<int>> results{pool.apply_async(for_ever, 1), pool.apply_async(for_ever, 1)};
  std::jthread killer([&] { pool.terminate(); });
  CHECK(ipc::wait(results).done.size() == 2);
}

TEST_CASE("results: callbacks are called exactly once, in their order, whenever they are added, and may throw") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> calls{0};
    std::atomic<int> wrong{0};
    auto result = round % 2 == 0 ? pool.apply_async(square, 3) : pool.apply_async(fail, 3);
    const int callbacks = 6;
    for (int i = 0; i < callbacks; ++i) {
      result.on_result([&, i](int v) {
        wrong += v != 9 || calls++ != i;
        if (round < 4 && i == 1) throw std::runtime_error("a callback of the test throws");
      });
      result.on_error([&, i](const std::exception_ptr&) { wrong += calls++ != i; });
      for (int j = 0; j < round; ++j) std::this_thread::yield();
    }
    result.wait();
    CHECK(calls == callbacks);
    CHECK(wrong == 0);
  }
}

TEST_CASE("results: cancelling calls on_error with Cancelled") {
  Pool pool({.processes = 1, .start_method = fork_or_spawn()});
  int calls = 0;
  auto result = pool.apply_async(for_ever, 1);
  result.on_error([&](const std::exception_ptr& e) {
    ++calls;
    CHECK_THROWS_AS(std::rethrow_exception(e), ipc::Cancelled);
  });
  result.on_result([](int) { FAIL("it has no value"); });
  CHECK(result.cancel());
  CHECK(calls == 1);
  result.on_error([&](const std::exception_ptr&) { ++calls; });
  CHECK(calls == 2);
}

TEST_CASE("results: cancelling ends the wait of other threads") {
  Pool pool({.processes = 1, .start_method = fork_or_spawn()});
  for (int round = 0; round < 20; ++round) {
    auto result = pool.apply_async(for_ever, 1);
    std::vector<std::jthread> waiters;
    std::atomic<int> woken{0};
    for (int i = 0; i < 3; ++i) {
      waiters.emplace_back([&] {
        try {
          result.get();
        } catch (const ipc::Cancelled&) {
          ++woken;
        }
      });
    }
    result.cancel();
    waiters.clear();
    CHECK(woken == 3);
  }
}

TEST_CASE("results: their hook is a descriptor that is readable once they are ready") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  auto before = pool.apply_async(square, 3);
  before.wait();
  ipc::Event go;
  auto later = pool.apply_async(after, go, 3);
  const auto readable = [](const AsyncResult<int>& result, int timeout) {
    pollfd entry{.fd = result.ipc_wait_hook().fd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, timeout) == 1;
  };
  CHECK(readable(before, 0));
  CHECK_FALSE(readable(later, 0));
  const auto hook = later.ipc_wait_hook();
  CHECK_FALSE(hook.ready(hook.object));
  go.set();
  CHECK(readable(later, -1));
  CHECK(hook.ready(hook.object));
}
