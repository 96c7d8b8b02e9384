// Calls, maps and their results, over workers of every start method.

#include <ipc/event.hpp>
#include <ipc/pool.hpp>

#include <unistd.h>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <list>
#include <mutex>
#include <string>
#include <thread>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using namespace ipc::test;

namespace {

std::string join(const std::string& a, std::string b) { return a + b; }
void nothing(int) {}

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
