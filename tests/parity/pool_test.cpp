// CPython's tests of its pools, by their names (test/_test_multiprocessing.py: _TestPool, _TestPoolWorkerErrors,
// _TestPoolWorkerLifetime, TestInitializers; test_concurrent_futures: executor.py, test_process_pool.py, test_init.py), where
// tests/pool does not have them under a name of its own: test_deadlock and test_shutdown are pool_deadlock_test, test_wait and
// test_as_completed are as_completed_test.
#include <ipc/pool.hpp>

#include <sys/resource.h>
#include <unistd.h>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ipc/event.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/value.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using namespace std::chrono_literals;
using namespace ipc;
using namespace ipc::test;

namespace {

struct NotSerialisable {
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    if (Archive::is_saving::value) throw std::logic_error("cannot be encoded");
    (void)archive;
  }
};

int divide(int a, int b) {
  if (b == 0) throw std::domain_error("division by zero");
  return a / b;
}

}  // namespace

TEST_CASE("_TestPool.test_apply, test_map, test_map_chunksize, test_starmap, test_async") {
  Pool pool({.processes = 4, .start_method = fork_or_spawn()});
  CHECK(pool.apply(square, 5) == 25);
  CHECK(pool.map(square, numbers(10)) == squares(10));
  CHECK(pool.map(square, numbers(100), {.chunksize = 20}) == squares(100));
  CHECK(pool.map(square, std::vector<int>{}, {.chunksize = 1}).empty());
  std::vector<std::pair<int, int>> tuples;
  for (int i = 0; i < 100; ++i) tuples.emplace_back(i, 99 - i);
  std::vector<int> products;
  for (const auto& [a, b] : tuples) products.push_back(a * b);
  CHECK(pool.starmap(multiply, tuples) == products);
  CHECK(pool.starmap(multiply, tuples, {.chunksize = 20}) == products);
  CHECK(pool.starmap_async(multiply, tuples).get() == products);
  CHECK(pool.map_async(square, numbers(10)).get() == squares(10));
  CHECK(pool.apply_async(square, 7).get() == 49);
}

TEST_CASE("_TestPool.test_map_async_callbacks, _TestPoolWorkerErrors.test_async_error_callback") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  std::atomic<int> values{0};
  std::atomic<int> errors{0};
  auto good = pool.map_async(square, {1, 2, 3}).on_result([&](const std::vector<int>& all) { values += static_cast<int>(all.size()); });
  good.on_error([&](const std::exception_ptr&) { ++errors; }).wait();
  CHECK(values == 3);
  auto bad = pool.apply_async(divide, 1, 0);
  bad.on_result([&](int) { values = 100; }).on_error([&](const std::exception_ptr& error) {
    ++errors;
    CHECK_THROWS_AS(std::rethrow_exception(error), std::domain_error);
  });
  CHECK_THROWS_AS(bad.get(), std::domain_error);
  CHECK(values == 3);
  CHECK(errors == 1);
}

TEST_CASE("_TestPool.test_map_unplicklable, _TestPoolWorkerErrors.test_unpickleable_result") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  CHECK_THROWS_WITH(pool.map([](const NotSerialisable&) { return 1; }, std::vector<NotSerialisable>(10)),
                    ipc::test::has_text("cannot be encoded"));
  const auto workers = pool.worker_pids();
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> told{0};
    auto result = pool.apply_async([] { return NotSerialisable{}; });
    result.on_error([&](const std::exception_ptr&) { ++told; });
    CHECK_THROWS_WITH(result.get(), ipc::test::has_text("cannot be encoded"));
    CHECK(told == 1);
  }
  CHECK(pool.worker_pids() == workers);
}

TEST_CASE("_TestPool.test_async_timeout") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  auto result = pool.apply_async(for_ever, 0);
  CHECK_THROWS_AS(result.get(20ms), TimeoutError);
}

TEST_CASE("_TestPool.test_imap, test_imap_unordered") {
  Pool pool({.processes = 3, .start_method = fork_or_spawn()});
  auto in_order = pool.imap(square, numbers(10));
  for (int i = 0; i < 10; ++i) CHECK(in_order.next() == i * i);
  CHECK_FALSE(in_order.next());
  CHECK_FALSE(in_order.next());
  auto chunks = pool.imap(square, numbers(1000), {.chunksize = 100});
  for (int i = 0; i < 1000; ++i) CHECK(chunks.next(1h) == i * i);
  CHECK_FALSE(chunks.next());
  std::multiset<int> any;
  for (const int y : pool.imap_unordered(square, numbers(420), {.chunksize = 100})) any.insert(y);
  const auto expected = squares(420);
  CHECK(any == std::multiset<int>(expected.begin(), expected.end()));
}

TEST_CASE("_TestPool.test_make_pool, test_pool_maxtasksperchild_invalid, executor: max_workers 0 and -1") {
  CHECK_THROWS_AS(Pool(-1), std::invalid_argument);
  CHECK_THROWS_AS(Pool(0), std::invalid_argument);
  Pool three(3);
  CHECK(three.worker_pids().size() == 3);
  for (const int tasks : {0, -1}) CHECK_THROWS_AS(Pool({.processes = 1, .max_tasks_per_child = tasks}), std::invalid_argument);
}

TEST_CASE("_TestPool.test_terminate, test_context, test_enter") {
  Pool pool({.processes = 4, .start_method = fork_or_spawn()});
  auto result = pool.map_async(slow, numbers(10000), {.chunksize = 1});
  pool.terminate();
  pool.join();
  CHECK_THROWS_AS(result.get(), PoolTerminated);
  CHECK_THROWS_AS(pool.map_async(square, numbers(3)), UsageError);
  CHECK_THROWS_AS(pool.imap(square, numbers(3)), UsageError);
}

TEST_CASE("_TestPool.test_traceback, test_wrapped_exception") {
  Pool pool({.processes = 1, .start_method = fork_or_spawn()});
  try {
    pool.apply(divide, 1, 0);
    FAIL("nothing was thrown");
  } catch (const std::domain_error& error) {
    CHECK(std::string(error.what()) == "division by zero");
    const auto* remote = dynamic_cast<const RemoteError*>(&error);
    REQUIRE(remote != nullptr);
    CHECK_THAT(remote->backtrace(), ipc::test::has_text("divide"));
    CHECK(remote->pid() == pool.worker_pids().front());
  }
  // An exception that is a result is not thrown, and one from the input is not another process's.
  CHECK(pool.apply([] { return std::string("division by zero"); }) == "division by zero");
}

TEST_CASE("_TestPool.test_map_no_failfast") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const Value<int> done(0);
  std::vector<std::pair<int, Value<int>>> inputs;
  for (int i = 0; i < 4; ++i) inputs.emplace_back(i, done);
  const auto task = [](int i, const Value<int>& finished) {
    if (i == 0) throw std::runtime_error(std::string(1 << 20, '!'));
    std::this_thread::sleep_for(20ms);
    finished.fetch_add(1);
  };
  CHECK_THROWS_AS(pool.starmap(task, inputs, {.chunksize = 1}), std::runtime_error);
  CHECK(done.get() == 3);
}

TEST_CASE("_TestPoolWorkerLifetime.test_pool_worker_lifetime, test_pool_worker_lifetime_early_close") {
  const auto method = fork_or_spawn();
  {
    Pool pool({.processes = 3, .max_tasks_per_child = 10, .start_method = method});
    const auto before = pool.worker_pids();
    std::vector<AsyncResult<int>> results;
    for (int i = 0; i < 100; ++i) results.push_back(pool.apply_async(square, i));
    for (int i = 0; i < 100; ++i) CHECK(results[static_cast<std::size_t>(i)].get() == i * i);
    std::set<pid_t> all;
    for (const auto& worker : pool.stats()) all.insert(worker.pid);
    CHECK(all.size() >= 10);
    CHECK(pool.worker_pids() != before);
  }
  Pool pool({.processes = 3, .max_tasks_per_child = 1, .start_method = method});
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 6; ++i) results.push_back(pool.apply_async(slow, i));
  pool.close();
  pool.join();
  for (int i = 0; i < 6; ++i) CHECK(results[static_cast<std::size_t>(i)].get() == i);
}

TEST_CASE("_TestPoolWorkerLifetime.test_worker_finalization_via_atexit_handler_of_multiprocessing") {
  ForkedChild child([] {
    // Neither closed nor terminated when the program ends.
    static Pool pool(1);
    static auto pending = pool.apply_async(for_ever, 0);
    std::exit(0);
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("TestPoolNotLeakOnFailure.test_release_unused_processes") {
  ForkedChild child([] {
    // Room for the descriptors of a few workers, not of all.
    const rlimit few{40, 40};
    ::setrlimit(RLIMIT_NOFILE, &few);
    try {
      Pool pool(100);
      return 1;
    } catch (const std::system_error&) {
    }
    // They are gone with the pool that could not be made, and so is what it had.
    Pool small(1);
    return small.apply(square, 3) == 9 && active_children().empty() ? 0 : 2;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("TestInitializers.test_pool_initializer, test_init: InitializerMixin, FailingInitializerMixin") {
  const auto method = fork_or_spawn();
  const Value<int> counter(0);
  {
    Pool pool(
        {.processes = 3, .start_method = method}, [](const Value<int>& c) { c.fetch_add(1); }, counter);
    CHECK(pool.map(square, numbers(30)) == squares(30));
    pool.close();
    pool.join();
  }
  CHECK(counter.get() == 3);
  Pool failing({.processes = 2, .start_method = method}, [] { throw std::range_error("not fit for work"); });
  CHECK_THROWS_AS(failing.apply_async(square, 1).get(), std::range_error);
  CHECK_THROWS_AS(failing.map(square, numbers(3)), std::range_error);
}

TEST_CASE("test_process_pool.test_killed_child: only its own task fails here, and the pool goes on") {
  Pool pool({.processes = 1, .start_method = fork_or_spawn()});
  const Event began;
  auto running = pool.apply_async(
      [](const Event& event) {
        event.set();
        for (;;) ::pause();
      },
      began);
  auto waiting = pool.apply_async(square, 6);
  began.wait();
  ::kill(pool.worker_pids().front(), SIGKILL);
  CHECK_THROWS_AS(running.get(), WorkerLost);
  CHECK(waiting.get() == 36);
}

TEST_CASE("test_process_pool.test_map_chunksize, executor.test_map_exception, test_map_timeout") {
  Pool pool({.processes = 5, .start_method = fork_or_spawn()});
  for (const std::size_t chunksize : {6, 50, 40, 200}) CHECK(pool.map(square, numbers(100), {.chunksize = chunksize}) == squares(100));
  auto results = pool.imap([](int b) { return divide(1, b); }, std::vector<int>{1, 1, 0, 1});
  CHECK(results.next() == 1);
  CHECK(results.next() == 1);
  CHECK_THROWS_AS(results.next(), std::domain_error);
  auto slow_ones = pool.imap([](int x) { return x == 2 ? for_ever(x) : x; }, numbers(3));
  CHECK(slow_ones.next(1h) == 0);
  CHECK(slow_ones.next(1h) == 1);
  CHECK_THROWS_AS(slow_ones.next(10ms), TimeoutError);
}

TEST_CASE("test_process_pool.test_saturation, test_idle_process_reuse_one, test_max_tasks_per_child") {
  const auto method = fork_or_spawn();
  {
    Pool pool({.processes = 4, .start_method = method});
    const Semaphore gate(0);
    std::vector<AsyncResult<void>> results;
    for (int i = 0; i < 15 * 4; ++i) results.push_back(pool.apply_async([](const Semaphore& s) { s.acquire(); }, gate));
    CHECK(pool.worker_pids().size() == 4);
    gate.release(15 * 4);
    for (const auto& result : results) result.wait();
    CHECK(pool.worker_pids().size() == 4);
  }
  Pool pool({.processes = 1, .max_tasks_per_child = 3, .start_method = method});
  const int first = pool.apply(own_pid, 0);
  CHECK(pool.apply(own_pid, 0) == first);
  CHECK(pool.apply(own_pid, 0) == first);
  CHECK(pool.apply(own_pid, 0) != first);
}

TEST_CASE("executor.test_free_reference, test_no_stale_references, _TestPool.test_release_task_refs") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const Value<int> argument(3);
  const std::vector<Value<int>> arguments(4, argument);
  for (const Value<int>& back : pool.map([](const Value<int>& v) { return v; }, arguments)) CHECK(back.get() == 3);
  auto result = pool.map_async([](const Value<int>& v) { return v.get(); }, arguments);
  CHECK(result.get() == std::vector<int>(4, 3));
}

TEST_CASE("test_queue_in_process, test_pool_in_process") {
  Process child([] {
    Pool pool(4);
    return pool.map(square, numbers(10)) == squares(10) ? 0 : 1;
  });
  child.start();
  child.join();
  CHECK(child.exitcode() == 0);
}
