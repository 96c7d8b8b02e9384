#include <ipc/event.hpp>

#include <chrono>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"

using namespace std::chrono_literals;
using namespace ipc;

TEST_CASE("Event: set lets everybody go, also when it is cleared at once") {
  const Event event;
  std::vector<test::ForkedChild> children;
  for (int i = 0; i < 4; ++i) children.emplace_back([&] { return event.wait() ? 0 : 1; });
  for (const auto& child : children) test::wait_until_asleep(child.pid());
  event.set();
  event.clear();
  for (auto& child : children) REQUIRE(child.wait() == 0);
}

TEST_CASE("Event: travels in messages") {
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] { test::from_message<Event>(test::receive_message(there.get())).set(); });
  const Event event;
  test::send_message(here.get(), test::to_message(event));
  REQUIRE(event.wait());
  REQUIRE(child.wait() == 0);
}

TEMPLATE_TEST_CASE("Event: what was done before set is seen after wait", "", test::Threads, test::Processes) {
  const auto counters = test::make_counters();
  std::vector<Event> events(300);
  TestType::run(3, [&](int who) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (who == 0) {
        (*counters)[i].store(static_cast<std::int64_t>(i) + 1, std::memory_order_relaxed);
        events[i].set();
      } else {
        events[i].wait();
        test::require((*counters)[i].load(std::memory_order_relaxed) == static_cast<std::int64_t>(i) + 1, "not seen");
      }
    }
  });
}
