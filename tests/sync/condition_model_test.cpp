// Runs the condition's own protocol under every schedule of two or three threads, with every operation on shared memory a
// step of its own, and asks that nobody is left behind. The model is sequentially consistent, and has no 200 ms to heal
// what is broken; a timed wait may time out at any moment.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "ipc/sync/condition_protocol.hpp"
#include "tests/support/catch.hpp"

namespace {

using ipc::detail::Deadline;
using ipc::os::FutexResult;
using ipc::os::LockOutcome;
using ipc::sync::ConditionProtocol;
using ipc::sync::WaiterState;

constexpr std::uint32_t capacity = 3;
constexpr int nobody = -1;
constexpr int the_dead = -2;

struct Slot {
  WaiterState state = WaiterState::free;
  int alive = nobody;  ///< Who holds it.
  std::uint64_t order = 0;
  auto operator<=>(const Slot&) const = default;
};

struct Thread {
  std::vector<std::uint64_t> log;  ///< What each of its steps so far returned.
  bool finished = false;
  bool killed = false;
  std::optional<std::uint32_t> sleeps_on;  ///< A slot.
  bool may_time_out = false;
  auto operator<=>(const Thread&) const = default;
};

struct World {
  std::array<Slot, capacity> slots;
  std::uint32_t ready = 0;
  std::uint64_t last_order = 0;
  int lock = nobody;
  std::uint32_t units = 0;     ///< What the threads wait for, under the lock.
  std::uint32_t notified = 0;  ///< How many waits said that they were.
  std::vector<Thread> threads;
  auto operator<=>(const World&) const = default;
};

struct Paused {};

/// The world a step is taken in. A thread has no stack between its steps: it is run again from its beginning, is given the
/// results it was given before, and then takes one step more.
World* world = nullptr;
int current = 0;
std::size_t position = 0;
bool may_step = false;

/// An operation without a result is one that has to wait: it is tried again, or whoever wakes the thread adds the result.
template <class Operation>
std::uint64_t step(Operation operation) {
  Thread& self = world->threads[static_cast<std::size_t>(current)];
  if (position < self.log.size()) return self.log[position++];
  if (!may_step) throw Paused{};
  may_step = false;
  const std::optional<std::uint64_t> result = operation(self);
  if (!result) throw Paused{};
  self.log.push_back(*result);
  ++position;
  return *result;
}
/// A step that needs not wait.
template <class Operation>
std::uint64_t act(Operation operation) {
  return step([&](Thread&) { return std::optional<std::uint64_t>(operation()); });
}

/// Plain memory under the condition's lock: when it happens is nobody's business, so it is no step of its own.
template <class Operation>
std::uint64_t look(Operation operation) {
  Thread& self = world->threads[static_cast<std::size_t>(current)];
  if (position < self.log.size()) return self.log[position++];
  self.log.push_back(static_cast<std::uint64_t>(operation()));
  return self.log[position++];
}

void lock() {
  step([](Thread&) -> std::optional<std::uint64_t> {
    if (world->lock >= 0) return std::nullopt;
    world->lock = current;
    return 0;
  });
}
void unlock() {
  act([] { return static_cast<std::uint64_t>(world->lock = nobody); });
}

struct Model {
  static constexpr std::uint32_t capacity = ::capacity;

  WaiterState state(std::uint32_t i) const {
    return static_cast<WaiterState>(act([=] { return static_cast<std::uint64_t>(world->slots[i].state); }));
  }
  void store(std::uint32_t i, WaiterState state) {
    act([=] { return static_cast<std::uint64_t>(world->slots[i].state = state); });
  }
  bool exchange(std::uint32_t i, WaiterState from, WaiterState to) {
    return act([=] {
             if (world->slots[i].state != from) return std::uint64_t{0};
             world->slots[i].state = to;
             return std::uint64_t{1};
           }) != 0;
  }
  FutexResult sleep(std::uint32_t i, Deadline deadline) {
    return static_cast<FutexResult>(step([=](Thread& self) -> std::optional<std::uint64_t> {
      if (world->slots[i].state != WaiterState::waiting) return static_cast<std::uint64_t>(FutexResult::changed);
      self.sleeps_on = i;
      self.may_time_out = !deadline.is_never();
      return std::nullopt;
    }));
  }
  void wake(std::uint32_t i) {
    act([=] {
      for (Thread& thread : world->threads) {
        if (thread.sleeps_on != i) continue;
        thread.sleeps_on.reset();
        thread.log.push_back(static_cast<std::uint64_t>(FutexResult::woken));
      }
      return std::uint64_t{0};
    });
  }

  void lock_alive(std::uint32_t i) {
    step([=](Thread&) -> std::optional<std::uint64_t> {
      if (world->slots[i].alive >= 0) return std::nullopt;
      world->slots[i].alive = current;
      return 0;
    });
  }
  LockOutcome try_lock_alive(std::uint32_t i) {
    return static_cast<LockOutcome>(act([=] {
      int& alive = world->slots[i].alive;
      if (alive >= 0) return static_cast<std::uint64_t>(LockOutcome::not_acquired);
      const auto outcome = alive == the_dead ? LockOutcome::acquired_after_death : LockOutcome::acquired;
      alive = current;
      return static_cast<std::uint64_t>(outcome);
    }));
  }
  void unlock_alive(std::uint32_t i, LockOutcome) {
    act([=] { return static_cast<std::uint64_t>(world->slots[i].alive = nobody); });
  }

  std::uint64_t order(std::uint32_t i) const {
    return look([=] { return world->slots[i].order; });
  }
  void set_order(std::uint32_t i, std::uint64_t order) {
    look([=] { return world->slots[i].order = order; });
  }
  std::uint64_t next_order() {
    return look([] { return ++world->last_order; });
  }
  std::uint32_t ready() const {
    return static_cast<std::uint32_t>(look([] { return std::uint64_t{world->ready}; }));
  }
  void add_slot() {
    look([] { return std::uint64_t{++world->ready}; });
  }
  std::uint32_t release_lock() {
    unlock();
    return 1;
  }
  void acquire_lock(std::uint32_t) { lock(); }

  template <class Ready>
  bool spin(Ready) {
    return false;
  }
  void woke() {}
};

/// Seeded fault: the kernel's comparison is left out.
struct SleepsUnconditionally : Model {
  FutexResult sleep(std::uint32_t i, Deadline) {
    return static_cast<FutexResult>(step([=](Thread& self) -> std::optional<std::uint64_t> {
      self.sleeps_on = i;
      return std::nullopt;
    }));
  }
};

/// Seeded fault: a notifier that does not tell the kernel.
struct NeverWakes : Model {
  void wake(std::uint32_t) {}
};

/// Seeded fault: the lock is given up before the slot says that somebody waits.
struct WaitsTooLate : Model {
  void store(std::uint32_t i, WaiterState state) {
    if (state == WaiterState::waiting) {
      unlock();
      Model::store(i, state);
      lock();
    } else {
      Model::store(i, state);
    }
  }
};

struct Exploration {
  std::vector<std::function<void()>> bodies;
  int may_die = nobody;  ///< The thread that may be killed between any two of its steps.
  std::set<World> seen = {};
  std::size_t ends = 0;
  std::size_t left_behind = 0;
  std::uint32_t most_notified = 0;

  void run() {
    World start;
    start.threads.resize(bodies.size());
    visit(start);
  }

  void visit(const World& at) {
    if (!seen.insert(at).second) return;
    bool stuck = true;
    const auto go = [&](const World& next) {
      if (next == at) return;  // Somebody waits for a lock.
      stuck = false;
      visit(next);
    };
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      const Thread& thread = at.threads[i];
      if (thread.finished || thread.killed) continue;
      if (static_cast<int>(i) == may_die) visit(killed(at, i));
      if (!thread.sleeps_on) {
        go(stepped(at, i));
      } else if (thread.may_time_out) {
        World next = at;
        next.threads[i].sleeps_on.reset();
        next.threads[i].log.push_back(static_cast<std::uint64_t>(FutexResult::timed_out));
        go(next);
      }
    }
    if (!stuck) return;
    ++ends;
    most_notified = std::max(most_notified, at.notified);
    for (const Thread& thread : at.threads) left_behind += thread.finished || thread.killed ? 0 : 1;
  }

  World stepped(const World& at, std::size_t thread) {
    World next = at;
    world = &next;
    current = static_cast<int>(thread);
    position = 0;
    may_step = true;
    try {
      bodies[thread]();
      next.threads[thread].finished = true;
    } catch (const Paused&) {
    }
    return next;
  }

  static World killed(const World& at, std::size_t thread) {
    World next = at;
    next.threads[thread].killed = true;
    next.threads[thread].sleeps_on.reset();
    const int who = static_cast<int>(thread);
    if (next.lock == who) next.lock = nobody;  // Robust: the next one gets it, and is told.
    for (Slot& slot : next.slots) {
      if (slot.alive == who) slot.alive = the_dead;
    }
    return next;
  }
};

template <class Memory>
bool wait(Deadline deadline = Deadline::never()) {
  Memory memory;
  return ConditionProtocol<Memory>(memory).wait(deadline) == ConditionProtocol<Memory>::Result::notified;
}
template <class Memory>
void notify(std::uint32_t n) {
  Memory memory;
  ConditionProtocol<Memory>(memory).notify(n);
}

std::uint32_t units() {
  return static_cast<std::uint32_t>(look([] { return std::uint64_t{world->units}; }));
}
void add_units(std::uint32_t n) {
  look([=] { return std::uint64_t{world->units += n}; });
}

/// Waits for a unit and takes it.
template <class Memory>
std::function<void()> takes_unit() {
  return [] {
    lock();
    while (units() == 0) wait<Memory>();
    add_units(UINT32_MAX);  // One fewer.
    unlock();
  };
}
/// Brings so many, one at a time, and notifies one waiter of each, or all.
template <class Memory>
std::function<void()> brings_units(std::uint32_t times, std::uint32_t each, std::uint32_t notifies) {
  return [=] {
    for (std::uint32_t i = 0; i < times; ++i) {
      lock();
      add_units(each);
      notify<Memory>(notifies);
      unlock();
    }
  };
}

Exploration explore(std::vector<std::function<void()>> bodies, int may_die = nobody) {
  Exploration all{std::move(bodies), may_die};
  all.run();
  REQUIRE(all.ends > 0);
  return all;
}

constexpr std::uint32_t all_of_them = ConditionProtocol<Model>::everybody;

}  // namespace

TEST_CASE("Condition: under every schedule nobody who waits for what comes is left behind") {
  using M = Model;
  REQUIRE(explore({takes_unit<M>(), brings_units<M>(1, 1, 1)}).left_behind == 0);
  REQUIRE(explore({takes_unit<M>(), takes_unit<M>(), brings_units<M>(2, 1, 1)}).left_behind == 0);
  REQUIRE(explore({takes_unit<M>(), takes_unit<M>(), brings_units<M>(1, 2, 2)}).left_behind == 0);
  REQUIRE(explore({takes_unit<M>(), takes_unit<M>(), brings_units<M>(1, 2, all_of_them)}).left_behind == 0);
}

TEST_CASE("Condition: under every schedule notify wakes no more than it says") {
  const auto waits_once = [] {
    lock();
    if (wait<Model>(Deadline::after(std::chrono::hours(1)))) act([] { return std::uint64_t{++world->notified}; });
    unlock();
  };
  REQUIRE(explore({waits_once, waits_once, brings_units<Model>(1, 0, 1)}).most_notified == 1);
  REQUIRE(explore({waits_once, waits_once, brings_units<Model>(2, 0, 1)}).most_notified == 2);
}

TEST_CASE("Condition: under every schedule a notification that meets a time-out is used, or goes to another") {
  // Who was notified hands the turn on; who timed out was not, so that the other is.
  const auto impatient = [] {
    lock();
    if (wait<Model>(Deadline::after(std::chrono::hours(1)))) notify<Model>(1);
    unlock();
  };
  REQUIRE(explore({impatient, takes_unit<Model>(), brings_units<Model>(1, 1, 1)}).left_behind == 0);
}

TEST_CASE("Condition: under every schedule, a waiter killed between any two steps costs the others nothing") {
  REQUIRE(explore({takes_unit<Model>(), takes_unit<Model>(), brings_units<Model>(1, 2, all_of_them)}, 0).left_behind == 0);
}

TEST_CASE("Condition: the schedules find seeded lost wake-ups") {
  REQUIRE(explore({takes_unit<SleepsUnconditionally>(), brings_units<SleepsUnconditionally>(1, 1, 1)}).left_behind > 0);
  REQUIRE(explore({takes_unit<NeverWakes>(), brings_units<NeverWakes>(1, 1, 1)}).left_behind > 0);
  REQUIRE(explore({takes_unit<WaitsTooLate>(), brings_units<WaitsTooLate>(1, 1, 1)}).left_behind > 0);
  // A notification that dies with its receiver is found by the others when their sleep's slice ends, which the model has not.
  REQUIRE(explore({takes_unit<Model>(), takes_unit<Model>(), brings_units<Model>(1, 2, 1)}, 0).left_behind > 0);
}
