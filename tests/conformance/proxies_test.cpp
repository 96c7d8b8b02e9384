// CPython's tests of locks, semaphores, conditions, events, barriers, values and arrays, over a manager's proxies: as its
// _test_multiprocessing.py has them run with ManagerMixin.
#include <chrono>
#include <cstdint>

#include <ipc/manager.hpp>

#include "tests/conformance/barrier_suite.hpp"
#include "tests/conformance/condition_suite.hpp"
#include "tests/conformance/event_suite.hpp"
#include "tests/conformance/lock_suite.hpp"
#include "tests/conformance/semaphore_suite.hpp"
#include "tests/conformance/value_suite.hpp"

using namespace ipc::test;

namespace {

/// An action that has a handle with it.
struct CountOne {
  Tally tally;
  void operator()() const { add(tally, 0); }
  void ipc_encode(ipc::detail::Writer& writer) const { tally.ipc_encode(writer); }
  static CountOne ipc_decode(ipc::detail::Reader& reader) { return {Tally::ipc_decode(reader)}; }
};

/// Makes what suites try, in a manager: see `Suite`.
struct Managed {
  ipc::Manager manager;

  ipc::LockProxy lock() const { return manager.Lock(); }
  ipc::RLockProxy rlock() const { return manager.RLock(); }
  ipc::SemaphoreProxy semaphore(int n) const { return manager.Semaphore(n); }
  ipc::BoundedSemaphoreProxy bounded_semaphore(int n) const { return manager.BoundedSemaphore(n); }
  ipc::ConditionProxy condition() const { return manager.Condition(); }
  template <class L>
  ipc::ConditionProxy condition(const L& lock) const {
    return manager.Condition(lock);
  }
  ipc::EventProxy event() const { return manager.Event(); }
  ipc::BarrierProxy barrier(int parties) const { return manager.Barrier(parties); }
  ipc::BarrierProxy barrier(int parties, std::chrono::nanoseconds timeout) const { return manager.Barrier(parties, nullptr, timeout); }
  ipc::BarrierProxy counting_barrier(int parties, const Tally& tally) const { return manager.Barrier(parties, CountOne{tally}); }
  static bool counts_in(Place) { return true; }
  template <class T>
  ipc::ValueProxy<T> value(const T& initial) const {
    return manager.Value<T>(initial);
  }
  template <class T, class From>
  ipc::ArrayProxy<T> array(const From& from) const {
    return manager.Array<T>(from);
  }
};

using Locks = LockSuite<Managed>;
using Semaphores = SemaphoreSuite<Managed>;
using Conditions = ConditionSuite<Managed>;
using Events = EventSuite<Managed>;
using Barriers = BarrierSuite<Managed>;
using Values = ValueSuite<Managed>;

TEST_CASE("managed _TestLock.test_lock") { everywhere(&Locks::test_lock); }
TEST_CASE("managed _TestLock.test_rlock") { everywhere(&Locks::test_rlock); }
TEST_CASE("managed _TestLock.test_lock_context") { everywhere(&Locks::test_lock_context); }
TEST_CASE("managed _TestLock: a timed wait for what is held takes its time") { everywhere(&Locks::test_timeout); }
TEST_CASE("managed _TestLock: excludes") { everywhere(&Locks::excludes); }

TEST_CASE("managed _TestSemaphore.test_semaphore") { everywhere(&Semaphores::test_semaphore); }
TEST_CASE("managed _TestSemaphore.test_bounded_semaphore") { everywhere(&Semaphores::test_bounded_semaphore); }
TEST_CASE("managed _TestSemaphore.test_timeout") { everywhere(&Semaphores::test_timeout); }
TEST_CASE("managed _TestSemaphore: never more inside than it has units") { everywhere(&Semaphores::never_more_inside_than_units); }

TEST_CASE("managed _TestCondition.test_notify") { everywhere(&Conditions::test_notify); }
TEST_CASE("managed _TestCondition.test_notify_all") { everywhere(&Conditions::test_notify_all); }
TEST_CASE("managed _TestCondition.test_notify_n") { everywhere(&Conditions::test_notify_n); }
TEST_CASE("managed _TestCondition.test_timeout") { everywhere(&Conditions::test_timeout); }
TEST_CASE("managed _TestCondition.test_waitfor") { everywhere(&Conditions::test_waitfor); }
TEST_CASE("managed _TestCondition.test_waitfor_timeout") { everywhere(&Conditions::test_waitfor_timeout); }
TEST_CASE("managed _TestCondition.test_wait_result") { everywhere(&Conditions::test_wait_result); }
TEST_CASE("managed _TestCondition: who does not hold it can neither wait nor notify") {
  everywhere(&Conditions::who_does_not_hold_it_can_neither_wait_nor_notify);
}
TEST_CASE("managed _TestCondition: shares its lock") { everywhere(&Conditions::shares_its_lock); }

TEST_CASE("managed _TestEvent.test_event") { everywhere(&Events::test_event); }
TEST_CASE("managed _TestEvent: one set lets everybody go") { everywhere(&Events::lets_everybody_go); }

TEST_CASE("managed _TestBarrier.test_barrier") { everywhere(&Barriers::test_barrier); }
TEST_CASE("managed _TestBarrier.test_barrier_10") { everywhere(&Barriers::test_barrier_10); }
TEST_CASE("managed _TestBarrier.test_wait_return") { everywhere(&Barriers::test_wait_return); }
TEST_CASE("managed _TestBarrier.test_action") { everywhere(&Barriers::test_action); }
TEST_CASE("managed _TestBarrier.test_abort") { everywhere(&Barriers::test_abort); }
TEST_CASE("managed _TestBarrier.test_reset") { everywhere(&Barriers::test_reset); }
TEST_CASE("managed _TestBarrier.test_abort_and_reset") { everywhere(&Barriers::test_abort_and_reset); }
TEST_CASE("managed _TestBarrier.test_timeout") { everywhere(&Barriers::test_timeout); }
TEST_CASE("managed _TestBarrier.test_default_timeout") { everywhere(&Barriers::test_default_timeout); }
TEST_CASE("managed _TestBarrier.test_single_thread") { everywhere(&Barriers::test_single_thread); }
TEST_CASE("managed _TestBarrier.test_thousand") { everywhere(&Barriers::test_thousand); }

TEST_CASE("managed _TestValue.test_value") { everywhere(&Values::test_value); }
TEST_CASE("managed _TestValue: updates lose nothing") { everywhere(&Values::updates_lose_nothing); }
TEST_CASE("managed _TestArray.test_array") { everywhere(&Values::test_array); }
TEST_CASE("managed _TestArray.test_array_from_size") { everywhere(&Values::test_array_from_size); }

}  // namespace
