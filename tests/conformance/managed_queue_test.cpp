// CPython's tests of queues over a manager's proxies: as its _test_multiprocessing.py has them run with ManagerMixin.
#include <cstddef>

#include <ipc/manager.hpp>

#include "tests/conformance/queue_suite.hpp"

using namespace ipc::test;

namespace {

/// Makes queues in a manager: see `QueueSuite`.
struct ManagedQueues {
  ipc::Manager manager;

  template <class T>
  ipc::QueueProxy<T> queue(std::ptrdiff_t maxsize) const {
    return manager.Queue<T>(maxsize);
  }
  template <class T>
  ipc::JoinableQueueProxy<T> joinable_queue(std::ptrdiff_t maxsize) const {
    return manager.JoinableQueue<T>(maxsize);
  }
};
using Queues = QueueSuite<ManagedQueues>;

TEST_CASE("managed _TestQueue.test_put") { everywhere(&Queues::test_put); }
TEST_CASE("managed _TestQueue.test_get") { everywhere(&Queues::test_get); }
TEST_CASE("managed _TestQueue.test_fork") { everywhere(&Queues::test_fork); }
TEST_CASE("managed _TestQueue.test_qsize") { everywhere(&Queues::test_qsize); }
TEST_CASE("managed _TestQueue.test_task_done") { everywhere(&Queues::test_task_done); }
TEST_CASE("managed _TestQueue.test_timeout") { everywhere(&Queues::test_timeout); }
TEST_CASE("managed _TestQueue.test_queue_feeder_donot_stop_onexc, test_queue_feeder_on_queue_feeder_error") {
  everywhere(&Queues::test_queue_feeder_on_queue_feeder_error);
}
TEST_CASE("managed _TestQueue.test_closed_queue_empty_exceptions, test_closed_queue_put_get_exceptions") {
  everywhere(&Queues::test_closed_queue_exceptions);
}

TEST_CASE("managed QueueTest.test_shutdown_empty") { everywhere(&Queues::test_shutdown_empty); }
TEST_CASE("managed QueueTest.test_shutdown_nonempty") { everywhere(&Queues::test_shutdown_nonempty); }
TEST_CASE("managed QueueTest.test_shutdown_immediate") { everywhere(&Queues::test_shutdown_immediate); }
TEST_CASE("managed QueueTest.test_shutdown_allowed_transitions") { everywhere(&Queues::test_shutdown_allowed_transitions); }
TEST_CASE("managed QueueTest.test_shutdown_get") { everywhere(&Queues::test_shutdown_get); }
TEST_CASE("managed QueueTest.test_shutdown_put") { everywhere(&Queues::test_shutdown_put); }
TEST_CASE("managed QueueTest.test_shutdown_immediate_join") { everywhere(&Queues::test_shutdown_immediate_join); }

}  // namespace
