// Runs the event count's own code under every schedule of two or three threads, with every atomic operation a step of its
// own, and asks that nobody sleeps for ever. The model is sequentially consistent, and has no 200 ms to heal what is broken.
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "ipc/sync/event_count.hpp"
#include "tests/support/catch.hpp"

namespace {

using ipc::detail::Deadline;
using ipc::os::FutexResult;

struct Thread {
  std::vector<std::uint64_t> log;  ///< What each of its steps so far returned.
  bool finished = false;
  bool asleep = false;
  bool killed = false;
  std::optional<std::uint32_t> unseen_store;  ///< A store to variable 0 that the others do not see yet.
  auto operator<=>(const Thread&) const = default;
  bool operator==(const Thread&) const = default;
};

struct World {
  std::uint32_t word = 0;
  std::array<std::uint32_t, 2> variables{};
  std::vector<Thread> threads;
  auto operator<=>(const World&) const = default;
  bool operator==(const World&) const = default;
};

struct Paused {};

/// The world a step is taken in. A thread has no stack between its steps: it is run again from its beginning, is given the
/// results it was given before, and then takes one step more.
World* world = nullptr;
std::size_t current = 0;
std::size_t position = 0;
bool may_step = false;

std::uint64_t step(const std::function<std::optional<std::uint64_t>(Thread&)>& operation) {
  Thread& self = world->threads[current];
  if (position < self.log.size()) return self.log[position++];
  if (!may_step) throw Paused{};
  may_step = false;
  const auto result = operation(self);
  if (!result) throw Paused{};  // Asleep: whoever wakes it adds the result.
  self.log.push_back(*result);
  ++position;
  return *result;
}

void store(std::size_t variable, std::uint32_t value) {
  step([=](Thread&) { return world->variables[variable] = value; });
}
std::uint32_t load(std::size_t variable) {
  return static_cast<std::uint32_t>(step([=](Thread&) { return world->variables[variable]; }));
}

struct ModelWord {
  explicit ModelWord(std::uint32_t) {}
  bool compare_exchange_strong(std::uint32_t& expected, std::uint32_t desired, std::memory_order) {
    return step([&](Thread&) -> std::uint64_t {
             if (world->word != expected) return 0;
             world->word = desired;
             return 1;
           }) != 0;
  }
};

struct NoSpinning {
  template <class Ready>
  bool spin(Ready) {
    return false;
  }
  void woke() {}
};

struct Model {
  using Word = ModelWord;
  static std::uint32_t load_after_stores(Word&) {
    return static_cast<std::uint32_t>(step([](Thread&) { return world->word; }));
  }
  static std::uint32_t set_before_loads(Word&, std::uint32_t bit) {
    return static_cast<std::uint32_t>(step([=](Thread&) {
      const std::uint32_t old = world->word;
      world->word |= bit;
      return old;
    }));
  }
  static FutexResult sleep(const Word&, std::uint32_t expected, Deadline) {
    const auto woken = step([=](Thread& self) -> std::optional<std::uint64_t> {
      if (world->word != expected) return 0;
      self.asleep = true;
      return std::nullopt;
    });
    return woken != 0 ? FutexResult::woken : FutexResult::changed;
  }
  static void wake(Word&) {
    step([](Thread&) {
      for (Thread& thread : world->threads) {
        if (!thread.asleep) continue;
        thread.asleep = false;
        thread.log.push_back(1);
      }
      return 0;
    });
  }
  static NoSpinning& spin_budget() {
    static NoSpinning none;
    return none;
  }
};

/// Seeded fault: the kernel's comparison is left out.
struct SleepsUnconditionally : Model {
  static FutexResult sleep(const Word&, std::uint32_t, Deadline) {
    step([](Thread& self) -> std::optional<std::uint64_t> {
      self.asleep = true;
      return std::nullopt;
    });
    return FutexResult::woken;
  }
};

/// Seeded fault: setting the bit is a load and a store.
struct SetsBitInTwoSteps : Model {
  static std::uint32_t set_before_loads(Word& word, std::uint32_t bit) {
    const std::uint32_t old = load_after_stores(word);
    step([=](Thread&) { return world->word = old | bit; });
    return old;
  }
};

/// Seeded fault: without the fence, a processor lets the notifier's load overtake its store.
struct LoadOvertakesStore : Model {
  static std::uint32_t load_after_stores(Word&) {
    const auto value = static_cast<std::uint32_t>(step([](Thread&) { return world->word; }));
    step([](Thread& self) {
      if (self.unseen_store) world->variables[0] = *self.unseen_store;
      return 0;
    });
    return value;
  }
};
void store_unseen(std::uint32_t value) {
  step([=](Thread& self) {
    self.unseen_store = value;
    return 0;
  });
}

struct Exploration {
  std::vector<std::function<void()>> bodies;
  int may_die = -1;  ///< The thread that may be killed between any two of its steps.
  std::set<World> seen = {};
  std::size_t ends = 0;
  std::size_t lost_wakes = 0;

  void run() {
    World start;
    start.threads.resize(bodies.size());
    visit(start);
  }

  void visit(const World& at) {
    if (!seen.insert(at).second) return;
    bool stuck = true;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      if (at.threads[i].finished || at.threads[i].killed) continue;
      if (static_cast<int>(i) == may_die) {
        World next = at;
        next.threads[i].killed = true;
        next.threads[i].asleep = false;
        visit(next);
      }
      if (at.threads[i].asleep) continue;
      stuck = false;
      World next = at;
      take_step(next, i);
      visit(next);
    }
    if (!stuck) return;
    ++ends;
    for (const Thread& thread : at.threads) lost_wakes += thread.asleep ? 1 : 0;
  }

  void take_step(World& in, std::size_t thread) {
    world = &in;
    current = thread;
    position = 0;
    may_step = true;
    try {
      bodies[thread]();
      in.threads[thread].finished = true;
    } catch (const Paused&) {
    }
  }
};

template <class Platform>
std::function<void()> waits_for(std::size_t variable, std::uint32_t least) {
  return [=] {
    ipc::sync::BasicEventCount<Platform> count;  // Its word is the world's.
    count.wait([=] { return load(variable) >= least; }, Deadline::never());
  };
}
template <class Platform>
std::function<void()> stores_and_notifies(std::size_t variable, std::uint32_t times) {
  return [=] {
    ipc::sync::BasicEventCount<Platform> count;
    for (std::uint32_t value = 1; value <= times; ++value) {
      store(variable, value);
      count.notify_all();
    }
  };
}

template <class Platform>
std::size_t lost_wakes(std::vector<std::function<void()>> bodies, int may_die = -1) {
  Exploration all{std::move(bodies), may_die};
  all.run();
  REQUIRE(all.ends > 0);
  return all.lost_wakes;
}

}  // namespace

TEST_CASE("EventCount: under every schedule nobody sleeps for ever") {
  using M = Model;
  REQUIRE(lost_wakes<M>({waits_for<M>(0, 1), stores_and_notifies<M>(0, 1)}) == 0);
  REQUIRE(lost_wakes<M>({waits_for<M>(0, 3), stores_and_notifies<M>(0, 3)}) == 0);
  REQUIRE(lost_wakes<M>({waits_for<M>(0, 1), waits_for<M>(0, 2), stores_and_notifies<M>(0, 2)}) == 0);
  REQUIRE(lost_wakes<M>({waits_for<M>(0, 1), stores_and_notifies<M>(0, 1), stores_and_notifies<M>(1, 1)}) == 0);
  const auto waits_for_both = [] {
    ipc::sync::BasicEventCount<M> count;
    count.wait([] { return load(0) != 0 && load(1) != 0; }, Deadline::never());
  };
  REQUIRE(lost_wakes<M>({waits_for_both, stores_and_notifies<M>(0, 1), stores_and_notifies<M>(1, 1)}) == 0);
}

TEST_CASE("EventCount: under every schedule, a waiter killed between any two steps costs nobody a wake") {
  using M = Model;
  REQUIRE(lost_wakes<M>({waits_for<M>(0, 2), waits_for<M>(0, 2), stores_and_notifies<M>(0, 2)}, 0) == 0);
}

TEST_CASE("EventCount: the schedules find seeded lost wake-ups") {
  REQUIRE(lost_wakes<SleepsUnconditionally>({waits_for<SleepsUnconditionally>(0, 1), stores_and_notifies<SleepsUnconditionally>(0, 1)}) >
          0);
  using Two = SetsBitInTwoSteps;
  REQUIRE(lost_wakes<Two>({waits_for<Two>(0, 2), waits_for<Two>(0, 1), stores_and_notifies<Two>(0, 2)}) > 0);
  const auto notifier = [] {
    ipc::sync::BasicEventCount<LoadOvertakesStore> count;
    store_unseen(1);
    count.notify_all();
  };
  REQUIRE(lost_wakes<LoadOvertakesStore>({waits_for<LoadOvertakesStore>(0, 1), notifier}) > 0);
  // A killed notifier does lose a wake, which only the limit on every sleep repairs.
  REQUIRE(lost_wakes<Model>({waits_for<Model>(0, 1), stores_and_notifies<Model>(0, 1)}, 1) > 0);
}
