// CPython's tests of locks, semaphores, conditions, events and barriers, by their names, over threads, forked and spawned
// processes.
#include "tests/conformance/barrier_suite.hpp"
#include "tests/conformance/condition_suite.hpp"
#include "tests/conformance/direct.hpp"
#include "tests/conformance/event_suite.hpp"
#include "tests/conformance/lock_suite.hpp"
#include "tests/conformance/semaphore_suite.hpp"

using namespace ipc::test;
using Locks = LockSuite<Direct>;
using Semaphores = SemaphoreSuite<Direct>;
using Conditions = ConditionSuite<Direct>;
using Events = EventSuite<Direct>;
using Barriers = BarrierSuite<Direct>;

TEST_CASE("_TestLock.test_lock") { everywhere(&Locks::test_lock); }
TEST_CASE("_TestLock.test_rlock") { everywhere(&Locks::test_rlock); }
TEST_CASE("_TestLock.test_lock_context") { everywhere(&Locks::test_lock_context); }
TEST_CASE("_TestLock: a timed wait for what is held takes its time") { everywhere(&Locks::test_timeout); }
TEST_CASE("_TestLock: excludes") { everywhere(&Locks::excludes); }

TEST_CASE("_TestSemaphore.test_semaphore") { everywhere(&Semaphores::test_semaphore); }
TEST_CASE("_TestSemaphore.test_bounded_semaphore") { everywhere(&Semaphores::test_bounded_semaphore); }
TEST_CASE("_TestSemaphore.test_timeout") { everywhere(&Semaphores::test_timeout); }
TEST_CASE("_TestSemaphore: never more inside than it has units") { everywhere(&Semaphores::never_more_inside_than_units); }

TEST_CASE("_TestCondition.test_notify") { everywhere(&Conditions::test_notify); }
TEST_CASE("_TestCondition.test_notify_all") { everywhere(&Conditions::test_notify_all); }
TEST_CASE("_TestCondition.test_notify_n") { everywhere(&Conditions::test_notify_n); }
TEST_CASE("_TestCondition.test_timeout") { everywhere(&Conditions::test_timeout); }
TEST_CASE("_TestCondition.test_waitfor") { everywhere(&Conditions::test_waitfor); }
TEST_CASE("_TestCondition.test_waitfor_timeout") { everywhere(&Conditions::test_waitfor_timeout); }
TEST_CASE("_TestCondition.test_wait_result") { everywhere(&Conditions::test_wait_result); }
TEST_CASE("_TestCondition: who does not hold it can neither wait nor notify") {
  everywhere(&Conditions::who_does_not_hold_it_can_neither_wait_nor_notify);
}
TEST_CASE("_TestCondition: shares its lock") { everywhere(&Conditions::shares_its_lock); }

TEST_CASE("_TestEvent.test_event") { everywhere(&Events::test_event); }
TEST_CASE("_TestEvent: one set lets everybody go") { everywhere(&Events::lets_everybody_go); }

TEST_CASE("_TestBarrier.test_barrier") { everywhere(&Barriers::test_barrier); }
TEST_CASE("_TestBarrier.test_barrier_10") { everywhere(&Barriers::test_barrier_10); }
TEST_CASE("_TestBarrier.test_wait_return") { everywhere(&Barriers::test_wait_return); }
TEST_CASE("_TestBarrier.test_action") { everywhere(&Barriers::test_action); }
TEST_CASE("_TestBarrier.test_abort") { everywhere(&Barriers::test_abort); }
TEST_CASE("_TestBarrier.test_reset") { everywhere(&Barriers::test_reset); }
TEST_CASE("_TestBarrier.test_abort_and_reset") { everywhere(&Barriers::test_abort_and_reset); }
TEST_CASE("_TestBarrier.test_timeout") { everywhere(&Barriers::test_timeout); }
TEST_CASE("_TestBarrier.test_default_timeout") { everywhere(&Barriers::test_default_timeout); }
TEST_CASE("_TestBarrier.test_single_thread") { everywhere(&Barriers::test_single_thread); }
TEST_CASE("_TestBarrier.test_thousand") { everywhere(&Barriers::test_thousand); }
