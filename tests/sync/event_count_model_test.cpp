// Runs the event count's own code under every schedule of two or three threads, with every atomic operation a step of its
// own, and asks that nobody sleeps for ever. The model is sequentially consistent, and has no 200 ms to heal what is broken.
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "ipc/sync/event_count.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/schedules.hpp"

namespace {

using ipc::detail::Deadline;
using ipc::os::FutexResult;
using namespace ipc::test::schedules;

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
  return count_lost_wakes(std::move(bodies), may_die);
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
