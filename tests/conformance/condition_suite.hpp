#pragma once

#include <mutex>
#include <stdexcept>

#include <ipc/error.hpp>

#include "tests/conformance/place.hpp"

namespace ipc::test {

/// CPython's _TestCondition.
template <class Make>
struct ConditionSuite : Suite<Make> {
  /// Counts in [0] that it is about to wait, holding the lock, and in [1] that it was woken: who has the lock and finds them
  /// all counted in [0] knows that they wait.
  static constexpr auto sleep = [](const auto& condition, const Tally& tally) {
    const std::scoped_lock guard(condition);
    add(tally, 0);
    condition.wait();
    add(tally, 1);
  };
  static constexpr auto sleep_in_vain = [](const auto& condition, const Tally& tally) {
    const std::scoped_lock guard(condition);
    add(tally, 0);
    require(!condition.wait_for(moment), "woken by nobody");
    add(tally, 1);
  };

  /// Half of them in the suite's place, half of them in threads of this process.
  struct Sleepers {
    template <class Condition, class Body>
    Sleepers(Place place, int count, Body body, const Condition& condition, const Tally& tally) : crew(place), threads(Place::threads) {
      const std::int64_t before = read(tally, 0);
      crew.start_many(count - count / 2, body, condition, tally);
      threads.start_many(count / 2, body, condition, tally);
      await(tally, 0, before + count);
    }
    void join() {
      crew.join();
      threads.join();
    }
    Crew crew;
    Crew threads;
  };

  static void notify(const auto& condition, int n) {
    const std::scoped_lock guard(condition);
    condition.notify(n);
  }

  void test_notify() const {
    const auto condition = this->make.condition();
    const Tally tally = make_tally();
    Sleepers sleepers(this->place, 2, sleep, condition, tally);
    REQUIRE(read(tally, 1) == 0);
    notify(condition, 1);
    await(tally, 1, 1);
    REQUIRE(read(tally, 1) == 1);
    notify(condition, 1);
    sleepers.join();
    REQUIRE(read(tally, 1) == 2);
  }

  void test_notify_all() const {
    const auto condition = this->make.condition();
    const Tally tally = make_tally();
    Sleepers(this->place, 6, sleep_in_vain, condition, tally).join();
    REQUIRE(read(tally, 1) == 6);
    // Those who have given up are no waiters any more.
    Sleepers sleepers(this->place, 6, sleep, condition, tally);
    {
      const std::scoped_lock guard(condition);
      REQUIRE(read(tally, 1) == 6);
      condition.notify_all();
    }
    sleepers.join();
    REQUIRE(read(tally, 1) == 12);
  }

  void test_notify_n() const {
    const auto condition = this->make.condition();
    const Tally tally = make_tally();
    Sleepers sleepers(this->place, 6, sleep, condition, tally);
    notify(condition, 0);
    notify(condition, 2);
    await(tally, 1, 2);
    REQUIRE(read(tally, 1) == 2);
    notify(condition, 4);
    sleepers.join();
    REQUIRE(read(tally, 1) == 6);
    notify(condition, 3);  // Nobody waits, and nothing is remembered.
    const std::scoped_lock guard(condition);
    REQUIRE_FALSE(condition.wait_for(moment));
    REQUIRE_THROWS_AS(condition.notify(-1), std::invalid_argument);
  }

  void test_timeout() const {
    const auto condition = this->make.condition();
    const auto wait_in_vain = [](const auto& waited) {
      const std::scoped_lock guard(waited);
      require(elapsed([&] { require(!waited.wait_for(moment), "woken by nobody"); }) >= moment, "too early");
      require(!waited.wait_for(std::chrono::seconds(0)) && !waited.wait_for(std::chrono::seconds(-1)), "woken by nobody");
    };
    wait_in_vain(condition);
    this->elsewhere(wait_in_vain, condition);
  }

  void test_waitfor() const {
    const auto condition = this->make.condition();
    const Tally state = make_tally();
    Crew crew(this->place);
    {
      const std::scoped_lock guard(condition);
      crew.start(
          [](const auto& changed, const Tally& value) {
            const std::scoped_lock inner(changed);
            changed.wait([&] { return read(value, 0) == 0; });
            add(value, 0);
            changed.notify();
            changed.wait([&] { return read(value, 0) == 5; });
          },
          condition, state);
      condition.wait([&] { return read(state, 0) == 1; });
    }
    for (int i = 0; i < 4; ++i) {
      const std::scoped_lock guard(condition);
      add(state, 0);
      condition.notify();
    }
    crew.join();
  }

  void test_waitfor_timeout() const {
    const auto condition = this->make.condition();
    const Tally state = make_tally();
    Crew crew(this->place);
    crew.start(
        [](const auto& changed, const Tally& value) {
          const std::scoped_lock inner(changed);
          add(value, 1);
          require(
              elapsed([&] { require(!changed.wait_for(5 * moment, [&] { return read(value, 0) == 5; }), "it never was"); }) >= 5 * moment,
              "too early");
          require(changed.wait_for(std::chrono::seconds(-1), [&] { return read(value, 0) == 4; }), "it was");
          add(value, 1);
        },
        condition, state);
    // Notified ever again, it does not start its time anew.
    await(state, 1, 1);
    for (int i = 0; i < 4; ++i) {
      const std::scoped_lock guard(condition);
      add(state, 0);
      condition.notify();
    }
    crew.join();
    REQUIRE(read(state, 1) == 2);
  }

  void test_wait_result() const {
    const auto condition = this->make.condition();
    Crew crew(this->place);
    {
      const std::scoped_lock guard(condition);
      REQUIRE_FALSE(condition.wait_for(std::chrono::seconds(0)));
      REQUIRE_FALSE(condition.wait_for(moment));
      crew.start([](const auto& changed) { notify(changed, 1); }, condition);
      REQUIRE(condition.wait_for(std::chrono::hours(1)));
      crew.start([](const auto& changed) { notify(changed, 1); }, condition);
      REQUIRE(condition.wait());
    }
    crew.join();
  }

  void who_does_not_hold_it_can_neither_wait_nor_notify() const {
    const auto condition = this->make.condition();
    const auto refuses = [](const auto& other) {
      require(throws<UsageError>([&] { other.wait(); }), "wait");
      require(throws<UsageError>([&] { other.wait_for(moment); }), "wait_for");
      require(throws<UsageError>([&] { other.wait([] { return true; }); }), "wait with a predicate");
      require(throws<UsageError>([&] { other.wait_for(moment, [] { return true; }); }), "wait_for with a predicate");
      require(throws<UsageError>([&] { other.notify(); }), "notify");
      require(throws<UsageError>([&] { other.notify_all(); }), "notify_all");
      require(throws<UsageError>([&] { other.unlock(); }), "unlock");
    };
    refuses(condition);
    const std::scoped_lock guard(condition);
    this->elsewhere(refuses, condition);
  }

  /// The lock may be of either kind, and have several conditions; waiting gives up an RLock however often it was taken.
  void shares_its_lock() const {
    const auto try_with = [this](const auto& lock, int depth) {
      const auto full = this->make.condition(lock);
      const auto empty = this->make.condition(lock);
      const Tally tally = make_tally();
      Crew crew(this->place);
      crew.start(
          [](const auto& filled, const auto& emptied, const Tally& items) {
            for (int i = 0; i < 50; ++i) {
              const std::scoped_lock inner(filled);
              filled.wait([&] { return read(items, 0) == 1; });
              add(items, 0, -1);
              emptied.notify();
            }
          },
          full, empty, tally);
      for (int i = 0; i < 50; ++i) {
        for (int level = 0; level < depth; ++level) lock.lock();
        empty.wait([&] { return read(tally, 0) == 0; });
        add(tally, 0);
        full.notify();
        for (int level = 0; level < depth; ++level) lock.unlock();
      }
      crew.join();
      REQUIRE_THROWS_AS(lock.unlock(), UsageError);
    };
    try_with(this->make.lock(), 1);
    try_with(this->make.rlock(), 3);
  }
};

}  // namespace ipc::test
