#pragma once

#include <mutex>
#include <stdexcept>

#include <ipc/error.hpp>

#include "tests/conformance/place.hpp"

namespace ipc::test {

/// CPython's _TestLock.
template <class Make>
struct LockSuite : Suite<Make> {
  static constexpr auto must_not_take = [](const auto& lock) { require(!lock.try_lock(), "a held lock was taken"); };
  static constexpr auto must_take = [](const auto& lock) {
    require(lock.try_lock(), "a free lock was not taken");
    lock.unlock();
  };
  static constexpr auto must_not_release = [](const auto& lock) {
    require(throws<UsageError>([&] { lock.unlock(); }), "released by who does not hold it");
  };

  void test_lock() const {
    const auto lock = this->make.lock();
    REQUIRE_THROWS_AS(lock.unlock(), UsageError);
    lock.lock();
    REQUIRE_FALSE(lock.try_lock());
    this->elsewhere(must_not_take, lock);
    this->elsewhere(must_not_release, lock);
    lock.unlock();
    REQUIRE_THROWS_AS(lock.unlock(), UsageError);
    this->elsewhere(must_take, lock);
    REQUIRE(lock.try_lock());
    lock.unlock();
  }

  void test_rlock() const {
    const auto lock = this->make.rlock();
    lock.lock();
    REQUIRE(lock.try_lock());
    REQUIRE(lock.try_lock_for(moment));
    for (int i = 0; i < 3; ++i) {
      this->elsewhere(must_not_take, lock);
      this->elsewhere(must_not_release, lock);
      lock.unlock();
    }
    REQUIRE_THROWS_AS(lock.unlock(), UsageError);
    this->elsewhere(must_take, lock);
  }

  void test_lock_context() const {
    const auto lock = this->make.lock();
    const auto rlock = this->make.rlock();
    {
      const std::scoped_lock guard(lock, rlock);
      this->elsewhere(must_not_take, lock);
      this->elsewhere(must_not_take, rlock);
    }
    REQUIRE_THROWS_AS(
        [&] {
          const std::scoped_lock guard(lock, rlock);
          throw std::domain_error("inside");
        }(),
        std::domain_error);
    this->elsewhere(must_take, lock);
    this->elsewhere(must_take, rlock);
  }

  /// Of a lock that somebody else holds, and of one's own.
  void test_timeout() const {
    const auto lock = this->make.lock();
    lock.lock();
    const auto wait_in_vain = [](const auto& held) {
      require(!held.try_lock_for(std::chrono::seconds(0)) && !held.try_lock_for(std::chrono::seconds(-1)), "a held lock was taken");
      require(elapsed([&] { require(!held.try_lock_for(moment), "a held lock was taken"); }) >= moment, "too early");
    };
    this->elsewhere(wait_in_vain, lock);
    wait_in_vain(lock);
    lock.unlock();
    REQUIRE(lock.try_lock_for(std::chrono::seconds(0)));
    lock.unlock();
    REQUIRE(lock.try_lock_for(std::chrono::hours(1)));
    lock.unlock();
  }

  /// Only the lock makes it right.
  void excludes() const {
    const auto exclude = [this](const auto& lock) {
      constexpr int rounds = 300;
      const Tally tally = make_tally();
      Crew crew(this->place);
      crew.start_many(
          3,
          [](const auto& taken, const Tally& counts) {
            for (int i = 0; i < rounds; ++i) {
              const std::scoped_lock guard(taken);
              const std::atomic_ref count(counts[0]);
              count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
            }
          },
          lock, tally);
      crew.join();
      REQUIRE(read(tally, 0) == 3 * rounds);
    };
    exclude(this->make.lock());
    exclude(this->make.rlock());
  }
};

}  // namespace ipc::test
