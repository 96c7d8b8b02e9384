// Pools that live in a manager: what `Pool` can do, by any client; and what happens when somebody dies.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/watched.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::ListProxy;
using ipc::Manager;
using ipc::test::wait_until;
using ipc::test::Watched;

int square(int x) { return x * x; }
int refuse_odd(int x) {
  if (x % 2 != 0) throw std::out_of_range("odd: " + std::to_string(x));
  return x;
}
void sleep_long() { ::sleep(3600); }
int die(int signal) {
  ::kill(::getpid(), signal);
  sleep_long();
  return 0;
}
int started = 0;
void start_with(int number) { started = number; }

TEST_CASE("TestSyncManagerTypes test_pool: every operation of a managed pool") {
  const Manager m;
  const auto pool = m.Pool(2);
  CHECK(pool.size() == 2);
  CHECK(pool.worker_pids().size() == 2);
  CHECK(pool.apply(square, 7) == 49);
  CHECK(pool.apply([](const std::string& a, const std::string& b) { return a + b; }, "ab", std::string("cd")) == "abcd");
  pool.apply([] {});
  const auto result = pool.apply_async(square, 8);
  CHECK(result.get() == 64);
  CHECK(result.get(1h) == 64);
  CHECK(result.ready());
  CHECK(result.successful());
  CHECK(result.wait_for(0s));
  CHECK_FALSE(result.cancel());
  std::vector<int> xs(1000);
  std::iota(xs.begin(), xs.end(), 0);
  std::vector<int> squares;
  for (const int x : xs) squares.push_back(square(x));
  CHECK(pool.map(square, xs) == squares);
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
  CHECK(pool.map(square, std::vector<int>()).empty());
  CHECK(pool.map(square, xs, {.chunksize = 3}) == squares);
  CHECK(pool.map_async(square, xs, {.chunksize = 7}).get() == squares);
  pool.map([](int) {}, xs);
  CHECK(pool.map([](int x) { return x % 2 == 0; }, {1, 2}) == std::vector<bool>{false, true});
  const std::vector<std::pair<int, int>> pairs{{1, 2}, {3, 4}};
  CHECK(pool.starmap(std::plus<>(), pairs) == std::vector<int>{3, 7});
  CHECK(pool.starmap_async([](int a, int b) { return a * b; }, pairs).get() == std::vector<int>{2, 12});
  std::vector<int> seen;
  for (const int x : pool.imap(square, xs)) seen.push_back(x);
  CHECK(seen == squares);
  seen.clear();
  for (const int x : pool.imap_unordered(square, xs, {.chunksize = 10})) seen.push_back(x);
  std::sort(seen.begin(), seen.end());
  CHECK(seen == squares);
  CHECK(pool.stats().size() == 2);
  pool.resize(3);
  CHECK(pool.size() == 3);
  CHECK_THROWS_AS(pool.join(), ipc::UsageError);
  pool.close();
  CHECK_THROWS_AS(pool.apply(square, 1), ipc::UsageError);
  pool.join();
  CHECK(pool.worker_pids().empty());
}

TEST_CASE("errors of managed tasks arrive as those of a pool's do") {
  const Manager m;
  const auto pool = m.Pool(1);
  CHECK_THROWS_AS(pool.apply(refuse_odd, 1), std::out_of_range);
  CHECK_THROWS_AS(pool.apply(refuse_odd, 1), ipc::RemoteError);
  CHECK_THROWS_AS(pool.map(refuse_odd, {2, 3, 4}), std::out_of_range);
  const auto failed = pool.apply_async(refuse_odd, 1);
  failed.wait();
  CHECK_FALSE(failed.successful());
  try {
    pool.apply(die, SIGKILL);
    FAIL("a killed worker gave a result");
  } catch (const ipc::WorkerLost& lost) {
    CHECK(lost.exitcode() == -SIGKILL);
    CHECK(lost.pid() > 0);
  }
  CHECK_THROWS_AS(pool.apply({.timeout = 10ms}, sleep_long), ipc::TaskTimeout);
  auto results = pool.imap(refuse_odd, std::vector<int>{0, 1, 2});
  CHECK(results.next() == 0);
  CHECK_THROWS_AS(results.next(), std::out_of_range);
  CHECK(results.index() == 1);
  CHECK(results.next() == 2);
  CHECK_FALSE(results.next());
  const auto endless = pool.apply_async(sleep_long);
  CHECK_FALSE(endless.ready());
  CHECK_THROWS_AS(endless.successful(), ipc::UsageError);
  CHECK_THROWS_AS(endless.get(1ms), ipc::TimeoutError);
  CHECK(endless.cancel());
  CHECK(endless.cancelled());
  CHECK_THROWS_AS(endless.get(), ipc::Cancelled);
  CHECK(pool.apply(square, 2) == 4);
  const auto pending = pool.apply_async(sleep_long);
  pool.terminate();
  CHECK_THROWS_AS(pending.get(), ipc::PoolTerminated);
  pool.join();
  CHECK_THROWS_AS(pool.apply(square, 1), ipc::UsageError);
  CHECK_THROWS_AS(m.Pool(0), std::invalid_argument);
  CHECK_THROWS_AS(m.Pool({.processes = 1, .initializer = [] {}}), ipc::NotShippable);
}

TEST_CASE("a managed pool's initialiser runs in each worker; one that fails, fails the tasks") {
  const Manager m;
  const auto pool = m.Pool({.processes = 1, .max_tasks_per_child = 1}, start_with, 42);
  for (int i = 0; i < 3; ++i) CHECK(pool.apply([] { return started; }) == 42);
  const auto broken = m.Pool({.processes = 1}, [] { throw std::domain_error("no licence"); });
  CHECK_THROWS_AS(broken.apply(square, 1), std::domain_error);
  CHECK_THROWS_AS(broken.apply(square, 1), std::domain_error);
}

TEST_CASE("tasks take and give proxies, of this manager and of others; nothing is left of them") {
  const Manager m;
  const Manager other;
  {
    const auto pool = m.Pool(2);
    const auto list = m.list<int>({1});
    const auto append = [](const ListProxy<int>& numbers, int number) {
      numbers.append(number);
      return numbers;
    };
    CHECK(pool.apply(append, list, 2) == list);
    CHECK(pool.apply(append, other.list<int>({7}), 8).to_vector() == std::vector<int>{7, 8});
    CHECK(list.to_vector() == std::vector<int>{1, 2});
    // One that the task makes itself, and one that it sends by another way than its result.
    const auto queue = m.Queue<ListProxy<int>>();
    const auto made = pool.apply(
        [](const ListProxy<int>& numbers, const ipc::QueueProxy<ListProxy<int>>& to) {
          to.put(numbers);
          return std::vector<ListProxy<int>>(2, numbers);
        },
        list, queue);
    CHECK(made.at(1) == list);
    CHECK(queue.get() == list);
    const auto lists = std::vector<ListProxy<int>>(20, list);
    CHECK(pool.map([](const ListProxy<int>& numbers) { return numbers.size(); }, lists) == std::vector<std::size_t>(20, 2));
  }
  wait_until([&] { return m.number_of_objects() == 0; });
  wait_until([&] { return other.number_of_objects() == 0; });
}

TEST_CASE("a result is a proxy: another process gets it, and the pool is for all clients") {
  const Manager m;
  const auto pool = m.Pool(ipc::named("pool"), 1);
  const auto again = m.Pool(ipc::named("pool"));
  CHECK(pool == again);
  auto [ours, its] = ipc::Pipe();
  ipc::Process child([&, end = std::move(its)]() mutable {
    const auto result = end.recv<ipc::AsyncResultProxy<int>>();
    const auto inherited = pool.apply(square, result.get());
    const auto received = end.recv<ipc::PoolProxy>();
    end.send(received.apply_async(square, inherited));
    end.recv<bool>();
  });
  child.start();
  ours.send(pool.apply_async(square, 2));
  ours.send(pool);
  CHECK(ours.recv<ipc::AsyncResultProxy<int>>().get() == 256);
  ours.send(true);
  child.join();
  CHECK(child.exitcode() == 0);
  CHECK(pool.map_async(square, std::vector<int>{1, 2}).get() == std::vector<int>{1, 4});
}

TEST_CASE("a call whose result nobody looks at is made all the same") {
  const Manager m;
  const auto pool = m.Pool(1);
  const auto done = m.Event();
  pool.apply_async([](const ipc::EventProxy& event) { event.set(); }, done);
  done.wait();
}

TEST_CASE("a lazy map over an endless input is bounded, and what it has not begun is withdrawn with it") {
  const Manager m;
  const auto pool = m.Pool(1);
  struct Endless {
    struct Iterator {
      using iterator_category = std::input_iterator_tag;
      using value_type = int;
      using difference_type = std::ptrdiff_t;
      using pointer = int*;
      using reference = int;
      int* at;
      int operator*() const { return *at; }
      Iterator& operator++() {
        ++*at;
        return *this;
      }
      bool operator!=(const Iterator&) const { return true; }
    };
    int* at;
    Iterator begin() const { return {at}; }
    Iterator end() const { return {at}; }
  };
  int pulled = 0;
  {
    auto results = pool.imap(square, Endless{&pulled});
    for (int i = 0; i < 100; ++i) CHECK(results.next() == square(i));
    CHECK(pulled < 120);
  }
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("the tasks of a client that is killed are withdrawn, except those whose results others have") {
  const Manager m;
  const auto pool = m.Pool(1);
  const auto list = m.list<int>();
  auto [ours, its] = ipc::Pipe();
  const auto append = [](const ListProxy<int>& numbers, int number) { numbers.append(number); };
  const auto block = [](const ipc::EventProxy& event) { event.wait(); };
  const auto gate = m.Event();
  const auto blocked = pool.apply_async(block, gate);
  ipc::Process client([&, end = std::move(its)]() mutable {
    std::vector<ipc::AsyncResultProxy<void>> results;
    for (int i = 0; i < 50; ++i) results.push_back(pool.apply_async(append, list, i));
    end.send(results.back());
    end.recv<bool>();
  });
  client.start();
  const auto last = ours.recv<ipc::AsyncResultProxy<void>>();
  const std::size_t before = m.number_of_objects();
  client.kill();
  CHECK(client.join(1h));
  wait_until([&] { return m.number_of_objects() < before - 40; });
  pool.stats();  // Whoever runs the pool answers in turn: now it knows.
  gate.set();
  last.get();
  // A worker is handed a few tasks ahead of time.
  const auto made = list.to_vector();
  CHECK(made.size() < 10);
  CHECK(made.back() == 49);
}

TEST_CASE("with the last proxy of it, a managed pool goes, and its workers do") {
  const Manager m;
  auto pool = std::make_optional(m.Pool(2));
  const Watched workers(pool->worker_pids());
  pool.reset();
  workers.wait_for_end();
  wait_until([&] { return m.number_of_objects() == 0; });
}

TEST_CASE("when its keeper is killed a managed pool fails, and its workers are gone; the manager goes on") {
  const Manager m;
  const auto pool = m.Pool(2);
  const Watched workers(pool.worker_pids());
  const pid_t keeper = pool.apply([] { return ipc::parent_process().value().pid(); });
  const auto pending = pool.apply_async(sleep_long);
  CHECK(keeper != ::getpid());
  ::kill(keeper, SIGKILL);
  CHECK_THROWS_AS(pending.get(), ipc::PoolTerminated);
  CHECK_THROWS_AS(pool.apply(square, 1), ipc::PoolTerminated);
  workers.wait_for_end();
  CHECK(m.Pool(1).apply(square, 5) == 25);
  pool.close();
  pool.join();
}

TEST_CASE("when the server is killed, the workers of its pools are gone") {
  const Manager m;
  const auto pool = m.Pool(2);
  const Watched workers(pool.worker_pids());
  const auto server = m.object<int>().call([](int&) { return ipc::current_process().pid(); });
  const auto pending = pool.apply_async(sleep_long);
  ::kill(server, SIGKILL);
  CHECK_THROWS_AS(pending.get(), ipc::ManagerLost);
  workers.wait_for_end();
}

TEST_CASE("a managed pool over TCP") {
  const Manager m({.address = "tcp://127.0.0.1:0", .authkey = "key"});
  const auto far = Manager::connect(m.address(), {.authkey = "key"});
  const auto pool = far.Pool(1);
  CHECK(pool.apply(square, 3) == 9);
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
}

}  // namespace
