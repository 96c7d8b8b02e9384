#pragma once

#include <ipc/barrier.hpp>
#include <ipc/condition.hpp>
#include <ipc/event.hpp>
#include <ipc/lock.hpp>
#include <ipc/rlock.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/value.hpp>

#include "tests/conformance/place.hpp"

namespace ipc::test {

/// Makes what suites try, in shared memory: see `Suite`.
struct Direct {
  Lock lock() const { return {}; }
  RLock rlock() const { return {}; }
  Semaphore semaphore(int n) const { return Semaphore(n); }
  BoundedSemaphore bounded_semaphore(int n) const { return BoundedSemaphore(n); }
  Condition condition() const { return {}; }
  template <class L>
  Condition condition(const L& lock) const {
    return Condition(lock);
  }
  Event event() const { return {}; }
  Barrier barrier(int parties, detail::TimeLimit timeout = {}) const { return Barrier(parties, {}, timeout); }
  Barrier counting_barrier(int parties, const Tally& tally) const {
    return Barrier(parties, [tally] { add(tally, 0); });
  }
  /// An action is a function of this process: it reaches those that are forked.
  static bool counts_in(Place place) { return place != Place::spawn; }
  template <class T>
  Value<T> value(const T& initial) const {
    return Value<T>(initial);
  }
  template <class T, class From>
  Array<T> array(const From& from) const {
    return Array<T>(from);
  }
};

}  // namespace ipc::test
