#pragma once

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

#include <ipc/error.hpp>

#include "tests/conformance/place.hpp"
#include "tests/support/picky.hpp"

namespace ipc::test {

template <class Q>
void refuses_everything_when_closed(const Q& queue) {
  queue.close();
  queue.close();
  REQUIRE(queue.closed());
  REQUIRE_THROWS_AS(queue.empty(), UsageError);
  REQUIRE_THROWS_AS(queue.full(), UsageError);
  REQUIRE_THROWS_AS(queue.qsize(), UsageError);
  REQUIRE_THROWS_AS(queue.put(1), UsageError);
  REQUIRE_THROWS_AS(queue.put_nowait(1), UsageError);
  REQUIRE_THROWS_AS(queue.put_many(std::vector<int>{1}), UsageError);
  REQUIRE_THROWS_AS(queue.get(), UsageError);
  REQUIRE_THROWS_AS(queue.get_nowait(), UsageError);
  REQUIRE_THROWS_AS(queue.get_many(1), UsageError);
}

/// CPython's _TestQueue, and what Python 3.13 says of `shutdown`. The maker also has
///
///   make.queue<T>(maxsize) .joinable_queue<T>(maxsize)
template <class Make>
struct QueueSuite : Suite<Make> {
  static constexpr auto take_all = [](const auto& queue, int count) {
    for (int i = 0; i < count; ++i) queue.get();
  };

  void test_put() const {
    const auto queue = this->make.template queue<int>(6);
    REQUIRE(queue.empty());
    REQUIRE_FALSE(queue.full());
    queue.put(1);
    queue.put(2, std::chrono::seconds(1));
    REQUIRE(queue.try_put(3));
    REQUIRE(queue.try_put_for(4, std::chrono::seconds(0)));
    queue.put_nowait(5);
    queue.put_many(std::vector<int>{6});
    REQUIRE_FALSE(queue.empty());
    REQUIRE(queue.full());
    REQUIRE_FALSE(queue.try_put(7));
    REQUIRE_THROWS_AS(queue.put_nowait(7), Full);
    REQUIRE(elapsed([&] { REQUIRE_THROWS_AS(queue.put(7, moment), Full); }) >= moment);
    REQUIRE_THROWS_AS(queue.put(7, std::chrono::seconds(0)), Full);
    REQUIRE_THROWS_AS(queue.put(7, std::chrono::seconds(-1)), Full);
    REQUIRE(elapsed([&] { REQUIRE_FALSE(queue.try_put_for(7, moment)); }) >= moment);
    this->elsewhere(take_all, queue, 6);
    REQUIRE(queue.empty());
    REQUIRE_FALSE(queue.full());
  }

  void test_get() const {
    const auto queue = this->make.template queue<int>(0);
    this->elsewhere(
        [](const auto& to) {
          for (int i = 1; i <= 5; ++i) to.put(i);
        },
        queue);
    REQUIRE_FALSE(queue.empty());
    REQUIRE(queue.get() == 1);
    REQUIRE(queue.get(std::chrono::seconds(1)) == 2);
    REQUIRE(queue.try_get() == 3);
    REQUIRE(queue.try_get_for(std::chrono::seconds(1)) == 4);
    REQUIRE(queue.get_nowait() == 5);
    REQUIRE(queue.empty());
    REQUIRE_FALSE(queue.try_get().has_value());
    REQUIRE_THROWS_AS(queue.get_nowait(), Empty);
    REQUIRE(elapsed([&] { REQUIRE_THROWS_AS(queue.get(moment), Empty); }) >= moment);
    REQUIRE_THROWS_AS(queue.get(std::chrono::seconds(0)), Empty);
    REQUIRE_THROWS_AS(queue.get(std::chrono::seconds(-1)), Empty);
    REQUIRE(elapsed([&] { REQUIRE_FALSE(queue.try_get_for(moment).has_value()); }) >= moment);
  }

  /// What was put here before is followed by what is put elsewhere.
  void test_fork() const {
    const auto queue = this->make.template queue<int>(0);
    for (int i = 0; i < 10; ++i) queue.put(i);
    Crew crew(this->place);
    crew.start(
        [](const auto& to) {
          for (int i = 10; i < 20; ++i) to.put(i);
        },
        queue);
    for (int i = 0; i < 20; ++i) REQUIRE(queue.get() == i);
    REQUIRE_THROWS_AS(queue.get_nowait(), Empty);
    crew.join();
  }

  void test_qsize() const {
    const auto queue = this->make.template queue<int>(0);
    const auto has = [&](std::size_t size) {
      REQUIRE(queue.qsize() == size);
      this->elsewhere([](const auto& of, std::size_t expected) { require(of.qsize() == expected, "another size here"); }, queue, size);
    };
    has(0);
    queue.put(1);
    has(1);
    queue.put(5);
    has(2);
    queue.get();
    queue.get();
    has(0);
  }

  void test_task_done() const {
    const auto queue = this->make.template joinable_queue<int>(0);
    REQUIRE_THROWS_AS(queue.task_done(), std::invalid_argument);
    Crew crew(this->place);
    crew.start_many(
        4,
        [](const auto& work) {
          for ([[maybe_unused]] const int item : work) work.task_done();
        },
        queue);
    for (int i = 0; i < 10; ++i) queue.put(i);
    queue.join();
    REQUIRE(queue.empty());
    REQUIRE_THROWS_AS(queue.task_done(), std::invalid_argument);
    queue.shutdown();
    crew.join();
  }

  void test_timeout() const {
    const auto queue = this->make.template queue<int>(0);
    REQUIRE(elapsed([&] { REQUIRE_THROWS_AS(queue.get(std::chrono::milliseconds(200)), Empty); }) >= std::chrono::milliseconds(200));
  }

  /// Here the error goes to whoever puts the item (so that there is no hook for it), and the item takes no place.
  void test_queue_feeder_on_queue_feeder_error() const {
    const auto queue = this->make.template queue<Picky>(1);
    REQUIRE_THROWS_AS(queue.put(Picky{13}), std::domain_error);
    REQUIRE(queue.qsize() == 0);
    REQUIRE_FALSE(queue.full());
    queue.put(Picky{1}, std::chrono::hours(1));
    REQUIRE(queue.qsize() == 1);
    this->elsewhere([](const auto& from) { require(from.get().value == 1, "another item"); }, queue);
    REQUIRE(queue.empty());
  }

  /// Used or not makes no difference here.
  void test_closed_queue_exceptions() const {
    refuses_everything_when_closed(this->make.template queue<int>(0));
    refuses_everything_when_closed(this->make.template joinable_queue<int>(0));
    const auto used = this->make.template queue<int>(0);
    used.put(1);
    refuses_everything_when_closed(used);
  }

  // --- shutdown ----------------------------------------------------------------------------------------------------------

  static constexpr auto get_until_down = [](const auto& queue, const Tally& tally) {
    add(tally, 0);
    while (!throws<ShutDown>([&] { queue.get(); })) add(tally, 1);
  };
  static constexpr auto put_until_down = [](const auto& queue, const Tally& tally) {
    add(tally, 0);
    while (!throws<ShutDown>([&] { queue.put(1); })) add(tally, 1);
  };

  void test_shutdown_empty() const {
    const auto queue = this->make.template queue<int>(0);
    queue.shutdown();
    REQUIRE_THROWS_AS(queue.put(1), ShutDown);
    REQUIRE_THROWS_AS(queue.get(), ShutDown);
    this->elsewhere([](const auto& down) { require(throws<ShutDown>([&] { down.get_nowait(); }), "not down here"); }, queue);
  }

  void test_shutdown_nonempty() const {
    const auto queue = this->make.template queue<int>(0);
    queue.put(1);
    queue.shutdown();
    REQUIRE(queue.qsize() == 1);
    REQUIRE_THROWS_AS(queue.put_nowait(2), ShutDown);
    REQUIRE(queue.get() == 1);
    REQUIRE_THROWS_AS(queue.get(), ShutDown);
    REQUIRE_THROWS_AS(queue.try_get(), ShutDown);
    REQUIRE_THROWS_AS(queue.get(moment), ShutDown);
    REQUIRE_THROWS_AS(queue.get_many(2), ShutDown);
  }

  void test_shutdown_immediate() const {
    const auto queue = this->make.template queue<int>(0);
    queue.put(1);
    queue.shutdown(true);
    REQUIRE(queue.empty());
    REQUIRE_THROWS_AS(queue.put(2), ShutDown);
    REQUIRE_THROWS_AS(queue.get(), ShutDown);
  }

  /// Once it is down, it can only be shut down the harder.
  void test_shutdown_allowed_transitions() const {
    const auto queue = this->make.template queue<int>(0);
    queue.put(1);
    queue.shutdown();
    queue.shutdown();
    REQUIRE(queue.qsize() == 1);
    queue.shutdown(true);
    REQUIRE(queue.empty());
    queue.shutdown(false);
    REQUIRE_THROWS_AS(queue.get(), ShutDown);
  }

  void test_shutdown_get() const {
    for (const bool immediate : {false, true}) {
      const auto queue = this->make.template queue<int>(0);
      const Tally tally = make_tally();
      Crew crew(this->place);
      crew.start_many(2, get_until_down, queue, tally);
      await(tally, 0, 2);
      queue.shutdown(immediate);
      crew.join();
      REQUIRE(read(tally, 1) == 0);
    }
  }

  void test_shutdown_put() const {
    for (const bool immediate : {false, true}) {
      const auto queue = this->make.template queue<int>(2);
      const Tally tally = make_tally();
      Crew crew(this->place);
      crew.start_many(2, put_until_down, queue, tally);
      await(tally, 1, 2);
      queue.shutdown(immediate);
      crew.join();
      REQUIRE(read(tally, 1) == 2);
      REQUIRE(queue.qsize() == (immediate ? 0 : 2));
    }
  }

  /// What was in the queue counts as done; what somebody has in hand does not.
  void test_shutdown_immediate_join() const {
    const auto queue = this->make.template joinable_queue<int>(0);
    const Tally tally = make_tally();
    for (int i = 0; i < 3; ++i) queue.put(i);
    queue.get();
    Crew crew(this->place);
    crew.start(
        [](const auto& work, const Tally& told) {
          add(told, 0);
          work.join();
          require(read(told, 1) == 1, "join did not wait for what was in hand");
        },
        queue, tally);
    await(tally, 0, 1);
    queue.shutdown(true);
    REQUIRE_FALSE(queue.join(moment));
    add(tally, 1);
    queue.task_done();
    crew.join();
    REQUIRE(queue.join(std::chrono::seconds(0)));
    REQUIRE_THROWS_AS(queue.task_done(), std::invalid_argument);
  }
};

}  // namespace ipc::test
