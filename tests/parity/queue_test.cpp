// CPython's tests of its queues, by their names (test/_test_multiprocessing.py: _TestQueue, TestSimpleQueue), and the bugs of its
// tracker that this library does not have.
#include <ipc/queue.hpp>

#include <chrono>
#include <list>
#include <string>
#include <vector>

#include <ipc/event.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

constexpr auto moment = 80ms;

template <class F>
auto elapsed(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::steady_clock::now() - start;
}

void drain(const Queue<int>& queue, int count) {
  for (int i = 0; i < count; ++i) queue.get();
}

struct NotSerialisable {
  template <class Archive>
  void serialize(Archive&, unsigned) {
    throw std::logic_error("cannot be encoded");
  }
};

}  // namespace

TEST_CASE("_TestQueue.test_put") {
  const Queue<int> queue(6);
  REQUIRE(queue.empty());
  REQUIRE_FALSE(queue.full());
  queue.put(1);
  queue.put(2, 1s);
  REQUIRE(queue.try_put(3));
  REQUIRE(queue.try_put_for(4, 0s));
  queue.put_nowait(5);
  queue.put_many(std::vector<int>{6});
  REQUIRE_FALSE(queue.empty());
  REQUIRE(queue.full());
  REQUIRE_FALSE(queue.try_put(7));
  REQUIRE_THROWS_AS(queue.put_nowait(7), Full);
  REQUIRE(elapsed([&] { REQUIRE_THROWS_AS(queue.put(7, moment), Full); }) >= moment);
  REQUIRE_THROWS_AS(queue.put(7, 0s), Full);
  REQUIRE(elapsed([&] { REQUIRE_FALSE(queue.try_put_for(7, moment)); }) >= moment);
  Process child(drain, queue, 6);
  child.start();
  child.join();
  REQUIRE(queue.empty());
  REQUIRE_FALSE(queue.full());
}

TEST_CASE("_TestQueue.test_get") {
  const Queue<int> queue;
  Process child([=] {
    for (int i = 1; i <= 5; ++i) queue.put(i);
  });
  child.start();
  child.join();
  REQUIRE_FALSE(queue.empty());
  REQUIRE(queue.get() == 1);
  REQUIRE(queue.get(1s) == 2);
  REQUIRE(queue.try_get() == 3);
  REQUIRE(queue.try_get_for(1s) == 4);
  REQUIRE(queue.get_nowait() == 5);
  REQUIRE(queue.empty());
  REQUIRE(queue.try_get() == std::nullopt);
  REQUIRE_THROWS_AS(queue.get_nowait(), Empty);
  REQUIRE(elapsed([&] { REQUIRE_THROWS_AS(queue.get(moment), Empty); }) >= moment);
  REQUIRE_THROWS_AS(queue.get(0s), Empty);
  REQUIRE(elapsed([&] { REQUIRE(queue.try_get_for(moment) == std::nullopt); }) >= moment);
}

TEST_CASE("_TestQueue.test_fork") {
  const Queue<int> queue;
  for (int i = 0; i < 10; ++i) queue.put(i);
  Process child([=] {
    for (int i = 10; i < 20; ++i) queue.put(i);
  });
  child.start();
  for (int i = 0; i < 20; ++i) REQUIRE(queue.get() == i);
  REQUIRE_THROWS_AS(queue.get_nowait(), Empty);
  child.join();
}

TEST_CASE("_TestQueue.test_qsize") {
  const Queue<int> queue;
  REQUIRE(queue.qsize() == 0);
  queue.put(1);
  REQUIRE(queue.qsize() == 1);
  queue.put(5);
  REQUIRE(queue.qsize() == 2);
  queue.get();
  REQUIRE(queue.qsize() == 1);
  queue.get();
  REQUIRE(queue.qsize() == 0);
}

TEST_CASE("_TestQueue.test_task_done") {
  const JoinableQueue<int> queue;
  std::list<Process> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([=] {
      for ([[maybe_unused]] const int item : queue) queue.task_done();
    });
    workers.back().start();
  }
  for (int i = 0; i < 10; ++i) queue.put(i);
  queue.join();
  REQUIRE(queue.empty());
  queue.shutdown();
  for (Process& worker : workers) {
    worker.join();
    REQUIRE(worker.exitcode() == 0);
  }
}

TEST_CASE("_TestQueue.test_timeout") {
  const Queue<int> queue;
  REQUIRE(elapsed([&] { REQUIRE_THROWS_AS(queue.get(200ms), Empty); }) >= 200ms);
}

TEST_CASE("_TestQueue.test_queue_feeder_donot_stop_onexc") {
  const Queue<NotSerialisable> queue(1);
  REQUIRE_THROWS_AS(queue.put(NotSerialisable()), std::logic_error);
  // Its place was never taken.
  REQUIRE(queue.qsize() == 0);
  REQUIRE_FALSE(queue.full());
}

TEST_CASE("_TestQueue.test_closed_queue_empty_exceptions, test_closed_queue_put_get_exceptions") {
  // Used or not makes no difference here.
  const Queue<int> queue;
  queue.close();
  REQUIRE_THROWS_AS(queue.empty(), UsageError);
  REQUIRE_THROWS_AS(queue.put(1), UsageError);
  REQUIRE_THROWS_AS(queue.get(), UsageError);
}

TEST_CASE("TestSimpleQueue.test_empty_exceptions, test_close") {
  const SimpleQueue<int> queue;
  queue.close();
  queue.close();
  REQUIRE_THROWS_AS(queue.empty(), UsageError);
}

TEST_CASE("TestSimpleQueue.test_empty") {
  const SimpleQueue<bool> queue;
  const Event child_can_start;
  const Event parent_can_continue;
  Process child([=] {
    child_can_start.wait();
    queue.put(true);
    queue.put(false);
    parent_can_continue.set();
  });
  child.start();
  REQUIRE(queue.empty());
  child_can_start.set();
  parent_can_continue.wait();
  REQUIRE_FALSE(queue.empty());
  REQUIRE(queue.get());
  REQUIRE_FALSE(queue.get());
  REQUIRE(queue.empty());
  child.join();
}

TEST_CASE("A child is joined before its items are taken, however large: no deadlock (python/cpython 73983)") {
  const Queue<std::string> queue;
  Process child([=] { queue.put(std::string(10'000'000, 'x')); });
  child.start();
  child.join();
  REQUIRE(queue.get().size() == 10'000'000);
}

TEST_CASE("Items are encoded in put: what is changed afterwards is not seen (python/cpython 84376)") {
  const Queue<std::vector<std::string>> queue;
  for (int i = 0; i < 200; ++i) {
    std::vector<std::string> item{"as it was"};
    queue.put(item);
    item.front() = "changed";
    REQUIRE(queue.get().front() == "as it was");
  }
}

TEST_CASE("empty() and get_nowait() see what has been put, in every process (python/cpython 87302)") {
  const Queue<int> queue;
  for (int i = 0; i < 200; ++i) {
    queue.put(i);
    REQUIRE_FALSE(queue.empty());
    REQUIRE(queue.get_nowait() == i);
  }
  queue.put(1);
  Process child([=] { return queue.empty() ? 1 : 0; });
  child.start();
  child.join();
  REQUIRE(child.exitcode() == 0);
}
