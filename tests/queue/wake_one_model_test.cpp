// Runs WakeOne's own code under every schedule, of few preemptions, of threads that give and take, and asks that nobody sleeps for ever
// while there is something to take.
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "ipc/queue/wake_one.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/schedules.hpp"

namespace {

using ipc::detail::Deadline;
using namespace ipc::test::schedules;

template <class Platform>
using Count = ipc::queues::BasicWakeOne<Platform>;

bool something() { return load(0) != 0; }

/// As Core::get: looks, waits, looks again whether somebody was faster, and passes on at the end.
template <class Platform>
std::function<void()> takes(int times) {
  return [=] {
    Count<Platform> count;  // Its word is the world's.
    for (int i = 0; i < times; ++i) {
      while (!take(0)) count.wait(something, Deadline::never());
      count.pass_on(something);
    }
  };
}
template <class Platform>
std::function<void()> gives(int times) {
  return [=] {
    Count<Platform> count;
    for (int i = 0; i < times; ++i) {
      add(0);
      count.notify_one();
    }
  };
}
/// Gives two at once, with one notification.
std::function<void()> gives_two() {
  return [] {
    Count<Model> count;
    add(0);
    add(0);
    count.notify_one();
  };
}

/// Seeded fault: who has taken something passes nothing on.
std::function<void()> keeps_quiet() {
  return [] {
    Count<Model> count;
    while (!take(0)) count.wait(something, Deadline::never());
  };
}

/// Seeded fault: the kernel says that it woke somebody where nobody slept.
struct ClaimsToWake : Model {
  static int wake_first(Word& word) {
    Model::wake_first(word);
    return 1;
  }
};

std::size_t lost_wakes(std::vector<std::function<void()>> bodies, int may_die = -1) {
  const int preemptions = bodies.size() == 2 ? 6 : 3;
  return count_lost_wakes(std::move(bodies), may_die, preemptions);
}

}  // namespace

TEST_CASE("WakeOne: under every schedule of few preemptions everything that is given is taken") {
  using M = Model;
  REQUIRE(lost_wakes({takes<M>(1), gives<M>(1)}) == 0);
  REQUIRE(lost_wakes({takes<M>(2), gives<M>(2)}) == 0);
  REQUIRE(lost_wakes({takes<M>(1), takes<M>(1), gives<M>(2)}) == 0);
  REQUIRE(lost_wakes({takes<M>(1), takes<M>(1), gives_two()}) == 0);
  REQUIRE(lost_wakes({takes<M>(2), gives<M>(1), gives<M>(1)}) == 0);
  REQUIRE(lost_wakes({takes<M>(1), takes<M>(1), gives<M>(1), gives<M>(1)}) == 0);
}

TEST_CASE("WakeOne: the schedules find seeded lost wake-ups") {
  REQUIRE(lost_wakes({keeps_quiet(), keeps_quiet(), gives_two()}) > 0);
  using C = ClaimsToWake;
  REQUIRE(lost_wakes({takes<C>(2), gives<C>(2)}) > 0);
  // A called waiter that is killed takes the call with it, and only the limit on every sleep repairs that.
  REQUIRE(lost_wakes({takes<Model>(1), takes<Model>(1), gives<Model>(2)}, 0) > 0);
}
