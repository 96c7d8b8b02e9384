#pragma once

#include "tests/conformance/place.hpp"

namespace ipc::test {

/// CPython's _TestEvent.
template <class Make>
struct EventSuite : Suite<Make> {
  void test_event() const {
    const auto event = this->make.event();
    REQUIRE_FALSE(event.is_set());
    // Asked for nothing, it says that nothing was set: a wait without time is a question.
    REQUIRE_FALSE(event.wait_for(std::chrono::seconds(0)));
    REQUIRE_FALSE(event.wait_for(std::chrono::seconds(-1)));
    REQUIRE(elapsed([&] { REQUIRE_FALSE(event.wait_for(moment)); }) >= moment);
    event.set();
    event.set();
    REQUIRE(event.is_set());
    REQUIRE(event.wait());
    REQUIRE(event.wait_for(std::chrono::seconds(0)));
    this->elsewhere([](const auto& flag) { require(flag.is_set() && flag.wait(), "not set here"); }, event);
    event.clear();
    event.clear();
    REQUIRE_FALSE(event.is_set());
    REQUIRE_FALSE(event.wait_for(std::chrono::seconds(0)));
    Crew crew(this->place);
    crew.start([](const auto& flag) { flag.set(); }, event);
    REQUIRE(event.wait());
    crew.join();
    REQUIRE(event.is_set());
  }

  /// One set lets everybody go, and shows what was done before it.
  void lets_everybody_go() const {
    const auto event = this->make.event();
    const Tally tally = make_tally();
    Crew crew(this->place);
    crew.start_many(
        4,
        [](const auto& flag, const Tally& done) {
          add(done, 1);
          require(flag.wait_for(std::chrono::hours(1)), "not let go");
          require(std::atomic_ref(done[0]).load(std::memory_order_relaxed) == 7, "what was done before it is not seen");
        },
        event, tally);
    await(tally, 1, 4);
    std::atomic_ref(tally[0]).store(7, std::memory_order_relaxed);
    event.set();
    crew.join();
  }
};

}  // namespace ipc::test
