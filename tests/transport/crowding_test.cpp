#include "ipc/transport/crowding.hpp"

#include <sched.h>

#include <array>
#include <chrono>
#include <thread>

#include "tests/support/catch.hpp"

using ipc::base::ticks;
using ipc::base::ticks_in_ten_microseconds;
using ipc::detail::Deadline;
using ipc::transport::Crowding;

namespace {

/// Keeps this thread where it is, so that it knows where that is.
class OneCpu {
 public:
  OneCpu() {
    ::sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(::sched_getcpu()), &one);
    ::sched_setaffinity(0, sizeof one, &one);
  }
  OneCpu(const OneCpu&) = delete;
  OneCpu& operator=(const OneCpu&) = delete;
  ~OneCpu() { ::sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_{};
};

/// How often a waiter looks, whose peer was seen `there`.
int looks(Crowding& crowding, std::uint32_t there) {
  int count = 0;
  const bool found = crowding.spin(
      there,
      [&] {
        ++count;
        return false;
      },
      Deadline::never());
  return found ? -1 : count;
}

}  // namespace

TEST_CASE("Crowding: a waiter spins for somebody on another CPU, or nobody knows where, and not against one on its own") {
  const OneCpu here;
  if (std::thread::hardware_concurrency() < 2) return;
  std::array<Crowding, 3> waiters;
  REQUIRE(looks(waiters[0], 0) > 1);
  REQUIRE(looks(waiters[1], Crowding::here() + 1) > 1);
  REQUIRE(looks(waiters[2], Crowding::here()) == 0);
}

TEST_CASE("Crowding: what is there already is found wherever the peer is") {
  Crowding crowding;
  REQUIRE(crowding.spin(
      0, [] { return true; }, Deadline::never()));
}

TEST_CASE("Crowding: two that go on waking each other on one CPU without a pause, and only they, stay on it for a while") {
  const OneCpu here;
  const auto there = Crowding::here();
  Crowding crowding;
  int stays = 0;
  int calls = 0;
  // Waits that end at once, one behind the other; a pause of the machine's only makes it begin anew.
  while (stays == 0) {
    ++calls;
    stays += looks(crowding, there) > 0 ? 1 : 0;
    crowding.woke(true);
  }
  REQUIRE(calls > 1);
  // The peer who answers meanwhile runs somewhere else: then it is spun for, as long as the kernel need not be asked.
  Crowding moved;
  for (bool answered = false; !answered;) {
    answered = moved.spin(
        there, [&] { return true; }, Deadline::never());
    if (!answered) moved.woke(true);
  }
  bool looked = false;
  static_cast<void>(moved.spin(
      there, [&] { return looked = true; }, Deadline::never()));
  REQUIRE(looked);
  // Whoever has the time for a pause in between is in no hurry, however long it goes on.
  Crowding slow;
  for (int i = 0; i < 40; ++i) {
    const auto since = ticks();
    while (ticks() - since < 100 * ticks_in_ten_microseconds()) std::this_thread::yield();
    REQUIRE(looks(slow, there) == 0);
    slow.woke(true);
  }
}

TEST_CASE("Crowding: a deadline ends the stay") {
  const OneCpu here;
  Crowding crowding;
  for (bool stayed = false; !stayed;) {
    crowding.spin(
        Crowding::here(),
        [&] {
          stayed = true;
          return false;
        },
        Deadline::expired_already());
    crowding.woke(false);
  }
}
