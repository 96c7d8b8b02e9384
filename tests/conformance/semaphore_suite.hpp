#pragma once

#include <stdexcept>

#include "tests/conformance/place.hpp"

namespace ipc::test {

/// CPython's _TestSemaphore.
template <class Make>
struct SemaphoreSuite : Suite<Make> {
  void take_and_give(const auto& semaphore) const {
    const auto take = [](const auto& units) { units.acquire(); };
    REQUIRE(semaphore.get_value() == 2);
    semaphore.acquire();
    REQUIRE(semaphore.get_value() == 1);
    this->elsewhere(take, semaphore);
    REQUIRE(semaphore.get_value() == 0);
    REQUIRE_FALSE(semaphore.try_acquire());
    this->elsewhere([](const auto& units) { require(!units.try_acquire(), "taken from nothing"); }, semaphore);
    REQUIRE(semaphore.get_value() == 0);
    this->elsewhere([](const auto& units) { units.release(); }, semaphore);  // Whoever took it.
    REQUIRE(semaphore.get_value() == 1);
    semaphore.release();
    REQUIRE(semaphore.get_value() == 2);
  }

  void test_semaphore() const {
    const auto semaphore = this->make.semaphore(2);
    take_and_give(semaphore);
    semaphore.release();
    REQUIRE(semaphore.get_value() == 3);
    semaphore.release();
    REQUIRE(semaphore.get_value() == 4);
    semaphore.release(3);
    REQUIRE(semaphore.get_value() == 7);
    REQUIRE_THROWS_AS(semaphore.release(0), std::invalid_argument);
    REQUIRE_THROWS_AS(semaphore.release(-1), std::invalid_argument);
    REQUIRE(semaphore.get_value() == 7);
    REQUIRE_THROWS_AS(this->make.semaphore(-1), std::invalid_argument);
  }

  void test_bounded_semaphore() const {
    const auto semaphore = this->make.bounded_semaphore(2);
    take_and_give(semaphore);
    REQUIRE_THROWS_AS(semaphore.release(), std::invalid_argument);
    this->elsewhere(
        [](const auto& units) { require(throws<std::invalid_argument>([&] { units.release(); }), "released beyond the bound"); },
        semaphore);
    semaphore.acquire();
    REQUIRE_THROWS_AS(semaphore.release(2), std::invalid_argument);
    REQUIRE(semaphore.get_value() == 1);
    REQUIRE_THROWS_AS(this->make.bounded_semaphore(-1), std::invalid_argument);
  }

  void test_timeout() const {
    const auto semaphore = this->make.semaphore(0);
    const auto wait_in_vain = [](const auto& units) {
      require(!units.try_acquire(), "taken from nothing");
      require(!units.try_acquire_for(std::chrono::seconds(0)) && !units.try_acquire_for(std::chrono::seconds(-1)), "taken from nothing");
      require(elapsed([&] { require(!units.try_acquire_for(moment), "taken from nothing"); }) >= moment, "too early");
    };
    wait_in_vain(semaphore);
    this->elsewhere(wait_in_vain, semaphore);
    Crew crew(this->place);
    crew.start([](const auto& units) { require(units.try_acquire_for(std::chrono::hours(1)), "not given"); }, semaphore);
    semaphore.release();
    crew.join();
    REQUIRE(semaphore.get_value() == 0);
  }

  void never_more_inside_than_units() const {
    const auto semaphore = this->make.semaphore(2);
    const Tally tally = make_tally();
    Crew crew(this->place);
    crew.start_many(
        4,
        [](const auto& units, const Tally& inside) {
          for (int i = 0; i < 200; ++i) {
            units.acquire();
            require(add(inside, 0) <= 2, "too many inside");
            add(inside, 0, -1);
            units.release();
          }
        },
        semaphore, tally);
    crew.join();
    REQUIRE(semaphore.get_value() == 2);
  }
};

}  // namespace ipc::test
