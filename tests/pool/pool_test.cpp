// CPython's TestPool, over workers of every start method.

#include <ipc/event.hpp>
#include <ipc/pool.hpp>

#include <unistd.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <list>
#include <mutex>
#include <numeric>
#include <set>
#include <string>
#include <thread>

#include <ipc/progress.hpp>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using ipc::PoolOptions;
using ipc::StartMethod;

namespace {

int square(int x) { return x * x; }
int multiply(int x, int y) { return x * y; }
int pid_of_worker(int) { return ::getpid(); }
std::string join(const std::string& a, std::string b) { return a + b; }
int refuse_three(int x) {
  if (x == 3) throw std::invalid_argument("three is refused");
  return x;
}
void nothing(int) {}
/// Runs until the pool is terminated.
int for_ever(int) {
  for (;;) ::pause();
}
int slow(int x) {
  std::this_thread::sleep_for(2ms);
  return x;
}

std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}
std::vector<int> squares(int n) {
  auto all = numbers(n);
  for (int& x : all) x *= x;
  return all;
}

/// A range whose iteration throws at `bad`, or at once for -1.
struct Throwing {
  int size;
  int bad;
  struct iterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    using pointer = const int*;
    using reference = int;
    const Throwing* range;
    int at;
    int operator*() const {
      if (at == range->bad) throw std::runtime_error("the input is broken");
      return at;
    }
    iterator& operator++() {
      ++at;
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(const iterator& other) const { return at == other.at; }
    bool operator!=(const iterator& other) const { return at != other.at; }
  };
  iterator begin() const {
    if (bad == -1) throw std::runtime_error("the input is broken");
    return {this, 0};
  }
  iterator end() const { return {this, size}; }
};

StartMethod any_method() { return GENERATE(StartMethod::fork, StartMethod::spawn, StartMethod::forkserver); }

}  // namespace

TEST_CASE("pool: apply returns what the function returns, with every start method") {
  Pool pool({.processes = 2, .start_method = any_method()});
  CHECK(pool.apply(square, 5) == 25);
  CHECK(pool.apply(multiply, 6, 7) == 42);
  CHECK(pool.apply(join, "to", std::string("gether")) == "together");
  CHECK(pool.apply([](std::vector<double> v) { return v.size(); }, std::vector<double>(100000)) == 100000);
  pool.apply(nothing, 1);
  const int offset = 3;
  CHECK(pool.apply([offset](int x) { return x + offset; }, 4) == 7);
  CHECK(pool.map(square, numbers(10)) == squares(10));
  CHECK_THROWS_AS(pool.apply(refuse_three, 3), std::invalid_argument);
}

TEST_CASE("pool: map keeps the order, whatever the chunks and the range") {
  Pool pool(3);
  CHECK(pool.map(square, numbers(10)) == squares(10));
  CHECK(pool.map(square, numbers(100), {.chunksize = 20}) == squares(100));
  CHECK(pool.map(square, numbers(1000), {.chunksize = 1}) == squares(1000));
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
  const std::list<int> list{4, 5};
  CHECK(pool.map(square, list) == std::vector<int>{16, 25});
  CHECK(pool.map([](const std::string& s) { return s + s; }, std::vector<std::string>{"a", "b"}) == std::vector<std::string>{"aa", "bb"});
  CHECK(pool.map([](int x) { return x % 2 == 0; }, numbers(4)) == std::vector<bool>{true, false, true, false});
  pool.map(nothing, numbers(7));
}

TEST_CASE("pool: starmap spreads tuples and pairs") {
  Pool pool(2);
  const std::vector<std::pair<int, int>> pairs{{1, 2}, {3, 4}};
  CHECK(pool.starmap(multiply, pairs) == std::vector<int>{2, 12});
  CHECK(pool.starmap_async(multiply, pairs).get() == std::vector<int>{2, 12});
}

TEST_CASE("pool: map_async calls back once, with the whole list or the exception") {
  Pool pool(2);
  std::vector<std::vector<int>> lists;
  pool.map_async(square, numbers(10)).on_result([&](const std::vector<int>& list) { lists.push_back(list); }).wait();
  CHECK(lists == std::vector<std::vector<int>>{squares(10)});
  int errors = 0;
  auto failed = pool.map_async(refuse_three, numbers(10));
  failed.on_result([&](const auto&) { FAIL("called for a failure"); }).on_error([&](const std::exception_ptr& e) {
    ++errors;
    CHECK_THROWS_AS(std::rethrow_exception(e), std::invalid_argument);
  });
  failed.wait();
  CHECK(errors == 1);
  CHECK_FALSE(failed.successful());
}

TEST_CASE("pool: callbacks run without anybody waiting, before the result is ready, and may use the pool") {
  Pool pool(2);
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<int> seen;
  auto first = pool.apply_async(square, 3);
  first.on_result([&](int value) {
    const int next = pool.apply(square, value);
    const std::lock_guard lock(mutex);
    seen.push_back(next);
    changed.notify_all();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return seen.size() == 1; });
  CHECK(seen.front() == 81);
  lock.unlock();
  first.wait();
  first.on_result([&](int value) { seen.push_back(value); });
  CHECK(seen.back() == 9);
}

TEST_CASE("pool: who waits for a result whose callback is still running is woken when it is done") {
  Pool pool(1);
  const std::filesystem::path waiter = std::filesystem::read_symlink("/proc/thread-self");
  std::atomic<bool> called{false};
  ipc::Event has_callback;
  auto result = pool.apply_async(
      [](const ipc::Event& go) {
        go.wait();
        return 9;
      },
      has_callback);
  result.on_result([&](int) {
    called = true;
    called.notify_all();
    // Until the other thread sleeps, with nothing more to come from any worker.
    for (std::string state; state != "S";) {
      std::ifstream status("/proc" / waiter / "status");
      for (std::string word; word != "State:";) status >> word;
      status >> state;
    }
  });
  has_callback.set();
  called.wait(false);
  result.wait();
  CHECK(result.get() == 9);
}

TEST_CASE("pool: a callback may ask its own result") {
  Pool pool(1);
  int value = 0;
  auto result = pool.apply_async(square, 4);
  result.on_result([&](int) { value = result.get(); });
  result.wait();
  CHECK(value == 16);
}

TEST_CASE("pool: get with a time-out throws, and the task goes on") {
  Pool pool(1);
  auto result = pool.apply_async(slow, 5);
  CHECK_FALSE(pool.apply_async(for_ever, 0).wait_for(10ms));
  CHECK(result.get() == 5);
  auto never = pool.apply_async(for_ever, 0);
  CHECK_THROWS_AS(never.get(10ms), ipc::TimeoutError);
  CHECK_THROWS_AS(never.get(0s), ipc::TimeoutError);
  CHECK_FALSE(never.ready());
  CHECK_THROWS_AS(never.successful(), ipc::UsageError);
}

TEST_CASE("pool: imap keeps the order and imap_unordered gives each result once") {
  Pool pool(3);
  const std::size_t chunksize = GENERATE(0, 1, 7, 100);
  std::vector<int> in_order;
  for (int v : pool.imap(square, numbers(200), {.chunksize = chunksize})) in_order.push_back(v);
  CHECK(in_order == squares(200));
  std::multiset<int> any_order;
  for (int v : pool.imap_unordered(square, numbers(200), {.chunksize = chunksize})) any_order.insert(v);
  const auto expected = squares(200);
  CHECK(any_order == std::multiset<int>(expected.begin(), expected.end()));
}

TEST_CASE("pool: imap goes on after an element that threw, and says which it was") {
  Pool pool(2);
  const std::size_t chunksize = GENERATE(1, 4);
  const bool ordered = GENERATE(true, false);
  std::set<std::size_t> positions;
  int failures = 0;
  const auto collect = [&](auto results) {
    for (;;) {
      try {
        if (!results.next()) break;
      } catch (const std::invalid_argument&) {
        ++failures;
        CHECK(results.index() == 3);
      }
      CHECK(positions.insert(results.index()).second);
    }
  };
  if (ordered)
    collect(pool.imap(refuse_three, numbers(10), {.chunksize = chunksize}));
  else
    collect(pool.imap_unordered(refuse_three, numbers(10), {.chunksize = chunksize}));
  CHECK(failures == 1);
  CHECK(positions.size() == 10);
}

TEST_CASE("pool: next of imap has a time-out") {
  Pool pool(1);
  auto results = pool.imap(for_ever, numbers(1));
  CHECK_THROWS_AS(results.next(10ms), ipc::TimeoutError);
}

TEST_CASE("pool: imap pulls its input lazily, so that an endless one works, and stops when it is given up") {
  struct Endless {
    struct iterator {
      using iterator_category = std::input_iterator_tag;
      using value_type = int;
      using difference_type = std::ptrdiff_t;
      using pointer = const int*;
      using reference = int;
      int at = 0;
      int operator*() const { return at; }
      iterator& operator++() {
        ++at;
        return *this;
      }
      void operator++(int) { ++at; }
      bool operator==(const iterator&) const { return false; }
      bool operator!=(const iterator&) const { return true; }
    };
    iterator begin() const { return {}; }
    iterator end() const { return {}; }
  };
  Pool pool(2);
  int taken = 0;
  for (int v : pool.imap(square, Endless{})) {
    CHECK(v == taken * taken);
    if (++taken == 1000) break;
  }
  CHECK(pool.apply(square, 2) == 4);
}

TEST_CASE("pool: a range that throws fails the call and not the pool") {
  Pool pool(2);
  const int bad = GENERATE(-1, 3, 7);
  const std::size_t chunksize = GENERATE(1, 2, 4);
  CHECK_THROWS_WITH(pool.map(square, Throwing{10, bad}, {.chunksize = chunksize}), "the input is broken");
  const auto collect = [&](auto make) {
    int seen = 0;
    bool broken = false;
    try {
      auto results = make();
      while (results.next()) ++seen;
    } catch (const std::runtime_error& e) {
      broken = std::string(e.what()) == "the input is broken";
    }
    CHECK(broken);
    return seen;
  };
  const int in_order = collect([&] { return pool.imap(square, Throwing{10, bad}, {.chunksize = chunksize}); });
  CHECK(in_order == std::max(bad, 0));
  collect([&] { return pool.imap_unordered(square, Throwing{10, bad}, {.chunksize = chunksize}); });
  CHECK(pool.map(square, numbers(10)) == squares(10));
}

TEST_CASE("pool: empty ranges give empty results at once") {
  Pool pool(2);
  const std::vector<int> none;
  CHECK(pool.map(square, none).empty());
  CHECK(pool.map(square, none, {.chunksize = 10}).empty());
  auto result = pool.map_async(square, none);
  CHECK(result.get().empty());
  CHECK(result.ready());
  for (int v : pool.imap(square, none)) FAIL("got " << v);
  for (int v : pool.imap_unordered(square, none)) FAIL("got " << v);
}

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

TEST_CASE("pool: an initialiser that may hold anything needs forked workers") {
  int x = 0;
  CHECK_THROWS_AS(Pool({.processes = 1, .initializer = [&] { ++x; }, .start_method = StartMethod::spawn}), ipc::NotShippable);
  Pool forked({.processes = 1, .initializer = [&] { ++x; }});
  CHECK(forked.apply(square, 2) == 4);
}

TEST_CASE("pool: workers are replaced after max_tasks_per_child tasks") {
  Pool pool({.processes = 3, .max_tasks_per_child = 10});
  std::set<int> pids;
  for (int pid : pool.imap_unordered(pid_of_worker, numbers(100))) pids.insert(pid);
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

TEST_CASE("pool: several threads use it at once") {
  Pool pool(2);
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 300; ++i) {
          if (i % 3 == 0) wrong += pool.apply(multiply, i, t) != i * t;
          if (i % 3 == 1) wrong += pool.apply_async(square, i).get() != i * i;
          if (i % 30 == 2) wrong += pool.map(square, numbers(50)) != squares(50);
        }
      });
    }
  }
  CHECK(wrong == 0);
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

TEST_CASE("pool: large arguments and results stream through") {
  Pool pool(2);
  const std::vector<double> big(4 << 20, 1.5);
  const auto back = pool.map([](const std::vector<double>& v) { return v; }, std::vector<std::vector<double>>{big, {2.5}, big});
  CHECK(back[0] == big);
  CHECK(back[1] == std::vector<double>{2.5});
  CHECK(back[2] == big);
}

TEST_CASE("pool: a descriptor travels to a worker and back") {
  Pool pool(1);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ipc::Fd reader(ends[0]);
  ipc::Fd returned = pool.apply(
      [](ipc::Fd writer) {
        const char text[] = "hello";
        if (::write(writer.get(), text, 5) != 5) throw std::runtime_error("write");
        return writer;
      },
      ipc::Fd(ends[1]));
  CHECK(returned);
  char text[8]{};
  CHECK(::read(reader.get(), text, 5) == 5);
  CHECK(std::string(text) == "hello");
}

TEST_CASE("pool: progress wraps any loop and passes every element on") {
  std::vector<int> seen;
  for (int x : ipc::progress(numbers(5), 5, "numbers")) seen.push_back(x);
  CHECK(seen == numbers(5));
}
