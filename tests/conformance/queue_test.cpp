// CPython's tests of its queues, by their names (test/_test_multiprocessing.py: _TestQueue, TestSimpleQueue; test/test_queue.py:
// shutdown), and the bugs of its tracker that this library does not have.
#include <ipc/queue.hpp>

#include <string>
#include <vector>

#include <ipc/event.hpp>

#include "tests/conformance/queue_suite.hpp"

using namespace ipc;
using namespace ipc::test;

namespace {

struct DirectQueues {
  template <class T>
  Queue<T> queue(std::ptrdiff_t maxsize) const {
    return Queue<T>(maxsize);
  }
  template <class T>
  JoinableQueue<T> joinable_queue(std::ptrdiff_t maxsize) const {
    return JoinableQueue<T>(maxsize);
  }
};
using Queues = QueueSuite<DirectQueues>;

/// Of queues in memory of ours alone.
struct OwnQueues : Suite<DirectQueues> {
  void test_simple_queue_empty() const {
    const SimpleQueue<bool> queue;
    const Event child_can_start;
    const Event parent_can_continue;
    Crew crew(place);
    crew.start(
        [](const SimpleQueue<bool>& to, const Event& start, const Event& go_on) {
          start.wait();
          to.put(true);
          to.put(false);
          go_on.set();
        },
        queue, child_can_start, parent_can_continue);
    REQUIRE(queue.empty());
    child_can_start.set();
    parent_can_continue.wait();
    REQUIRE_FALSE(queue.empty());
    REQUIRE(queue.get());
    REQUIRE_FALSE(queue.get());
    REQUIRE(queue.empty());
    crew.join();
  }

  /// CPython's child waits at its end until somebody has taken what it put.
  void joined_before_drained() const {
    const Queue<std::string> queue;
    elsewhere(
        [](const Queue<std::string>& to) {
          to.put(std::string(10'000'000, 'x'));
          to.put("and more");
        },
        queue);
    REQUIRE(queue.get().size() == 10'000'000);
    REQUIRE(queue.get() == "and more");
  }

  /// CPython's are empty until a thread has written the item.
  void empty_does_not_lie() const {
    const Queue<int> queue;
    for (int i = 0; i < 200; ++i) {
      queue.put(i);
      REQUIRE_FALSE(queue.empty());
      REQUIRE(queue.get_nowait() == i);
      REQUIRE(queue.empty());
    }
    queue.put(1);
    elsewhere([](const Queue<int>& from) { require(!from.empty() && from.get_nowait() == 1, "nothing there"); }, queue);
  }
};

}  // namespace

TEST_CASE("_TestQueue.test_put") { everywhere(&Queues::test_put); }
TEST_CASE("_TestQueue.test_get") { everywhere(&Queues::test_get); }
TEST_CASE("_TestQueue.test_fork") { everywhere(&Queues::test_fork); }
TEST_CASE("_TestQueue.test_qsize") { everywhere(&Queues::test_qsize); }
TEST_CASE("_TestQueue.test_task_done") { everywhere(&Queues::test_task_done); }
TEST_CASE("_TestQueue.test_timeout") { everywhere(&Queues::test_timeout); }
TEST_CASE("_TestQueue.test_queue_feeder_donot_stop_onexc, test_queue_feeder_on_queue_feeder_error") {
  everywhere(&Queues::test_queue_feeder_on_queue_feeder_error);
}
TEST_CASE("_TestQueue.test_closed_queue_empty_exceptions, test_closed_queue_put_get_exceptions") {
  everywhere(&Queues::test_closed_queue_exceptions);
}

TEST_CASE("TestSimpleQueue.test_empty") { everywhere(&OwnQueues::test_simple_queue_empty); }
TEST_CASE("TestSimpleQueue.test_empty_exceptions, test_close") { refuses_everything_when_closed(SimpleQueue<int>()); }

TEST_CASE("QueueTest.test_shutdown_empty") { everywhere(&Queues::test_shutdown_empty); }
TEST_CASE("QueueTest.test_shutdown_nonempty") { everywhere(&Queues::test_shutdown_nonempty); }
TEST_CASE("QueueTest.test_shutdown_immediate") { everywhere(&Queues::test_shutdown_immediate); }
TEST_CASE("QueueTest.test_shutdown_allowed_transitions") { everywhere(&Queues::test_shutdown_allowed_transitions); }
TEST_CASE("QueueTest.test_shutdown_get") { everywhere(&Queues::test_shutdown_get); }
TEST_CASE("QueueTest.test_shutdown_put") { everywhere(&Queues::test_shutdown_put); }
TEST_CASE("QueueTest.test_shutdown_immediate_join") { everywhere(&Queues::test_shutdown_immediate_join); }

TEST_CASE("A child is joined before its items are taken, however large: no deadlock (python/cpython 73983)") {
  everywhere(&OwnQueues::joined_before_drained);
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
  everywhere(&OwnQueues::empty_does_not_lie);
}
