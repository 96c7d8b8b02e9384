#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ipc/sync/event_count.hpp"
#include "tests/support/catch.hpp"

/// Runs code that waits and wakes under every schedule of two or three threads, with every atomic operation a step of its own,
/// and counts who sleeps for ever. The code's platform is `Model`: sequentially consistent, and without the 200 ms that heal
/// in earnest what is broken.
namespace ipc::test::schedules {

using detail::Deadline;
using os::FutexResult;

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
  int last = -1;         ///< Who took the last step, where preemptions are counted…
  int preemptions = -1;  ///< …and how many more there may be.
  auto operator<=>(const World&) const = default;
  bool operator==(const World&) const = default;
};

struct Paused {};

/// The world a step is taken in. A thread has no stack between its steps: it is run again from its beginning, is given the
/// results it was given before, and then takes one step more.
inline World* world = nullptr;
inline std::size_t current = 0;
inline std::size_t position = 0;
inline bool may_step = false;

inline std::uint64_t step(const std::function<std::optional<std::uint64_t>(Thread&)>& operation) {
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

inline void store(std::size_t variable, std::uint32_t value) {
  step([=](Thread&) { return world->variables[variable] = value; });
}
inline std::uint32_t load(std::size_t variable) {
  return static_cast<std::uint32_t>(step([=](Thread&) { return world->variables[variable]; }));
}

/// Takes one of variable `variable` if there is one.
inline bool take(std::size_t variable) {
  return step([=](Thread&) -> std::uint64_t {
           if (world->variables[variable] == 0) return 0;
           --world->variables[variable];
           return 1;
         }) != 0;
}
inline void add(std::size_t variable) {
  step([=](Thread&) { return ++world->variables[variable]; });
}

struct ModelWord {
  explicit ModelWord(std::uint32_t) {}
  std::uint32_t load(std::memory_order) const {
    return static_cast<std::uint32_t>(step([](Thread&) { return world->word; }));
  }
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
  static std::uint32_t clear(Word&, std::uint32_t bit) {
    return static_cast<std::uint32_t>(step([=](Thread&) {
      const std::uint32_t old = world->word;
      world->word &= ~bit;
      return old;
    }));
  }
  /// Whichever sleeper: the others come first in other schedules. (The kernel would take the one that sleeps longest.)
  static int wake_first(Word&) {
    return static_cast<int>(step([](Thread&) -> std::uint64_t {
      for (Thread& thread : world->threads) {
        if (!thread.asleep) continue;
        thread.asleep = false;
        thread.log.push_back(1);
        return 1;
      }
      return 0;
    }));
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

struct Exploration {
  std::vector<std::function<void()>> bodies;
  int may_die = -1;  ///< The thread that may be killed between any two of its steps.
  std::set<World> seen = {};
  std::size_t ends = 0;
  std::size_t lost_wakes = 0;
  /// How often, at most, a thread that could go on is interrupted for another; -1: however often. Few are enough to find most
  /// mistakes, and leave few enough schedules of three threads.
  int preemptions = -1;

  void run() {
    World start;
    start.threads.resize(bodies.size());
    start.preemptions = preemptions;
    visit(start);
  }

  void visit(const World& at) {
    if (!seen.insert(at).second) return;
    const auto can_go_on = [&](std::size_t i) {
      const Thread& thread = at.threads[i];
      return !thread.finished && !thread.killed && !thread.asleep;
    };
    bool stuck = true;
    for (std::size_t i = 0; i < bodies.size(); ++i) {
      if (at.threads[i].finished || at.threads[i].killed) continue;
      if (static_cast<int>(i) == may_die) {
        World next = at;
        next.threads[i].killed = true;
        next.threads[i].asleep = false;
        visit(next);
      }
      if (!can_go_on(i)) continue;
      stuck = false;
      World next = at;
      if (preemptions >= 0 && static_cast<int>(i) != at.last) {
        if (at.last >= 0 && can_go_on(static_cast<std::size_t>(at.last)) && next.preemptions-- == 0) continue;
        next.last = static_cast<int>(i);
      }
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

/// How many threads sleep at the end of some schedule, over all schedules; `may_die` may be killed between any two of its steps.
inline std::size_t count_lost_wakes(std::vector<std::function<void()>> bodies, int may_die = -1, int preemptions = -1) {
  Exploration all{std::move(bodies), may_die};
  all.preemptions = preemptions;
  all.run();
  REQUIRE(all.ends > 0);
  return all.lost_wakes;
}

}  // namespace ipc::test::schedules
