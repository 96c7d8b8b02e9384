#pragma once

#include <stdexcept>

#include <ipc/error.hpp>

#include "tests/conformance/place.hpp"

namespace ipc::test {

/// CPython's _TestBarrier.
template <class Make>
struct BarrierSuite : Suite<Make> {
  static constexpr int parties = 5;

  /// Runs the body for all parties, this thread among them.
  template <class F, class... Args>
  void all(F body, const Args&... args) const {
    Crew crew(this->place);
    crew.start_many(parties - 1, body, args...);
    body(args...);
    crew.join();
  }
  static bool breaks(const auto& barrier) {
    return throws<BrokenBarrier>([&] { barrier.wait(); });
  }
  void works_again(const auto& barrier) const {
    REQUIRE_FALSE(barrier.broken());
    all([](const auto& at) { at.wait(); }, barrier);
    REQUIRE_FALSE(barrier.broken());
    REQUIRE(barrier.n_waiting() == 0);
  }

  void in_step(std::int64_t rounds) const {
    const auto barrier = this->make.barrier(parties);
    REQUIRE(barrier.parties() == parties);
    const Tally tally = make_tally();
    add(tally, 15, rounds);
    all(
        [](const auto& at, const Tally& arrived) {
          for (std::int64_t round = 0; round < read(arrived, 15); ++round) {
            add(arrived, 0);
            at.wait();
            require(read(arrived, 0) == parties * (round + 1), "passed before all had come, or overtaken");
            at.wait();
          }
        },
        barrier, tally);
    REQUIRE(barrier.n_waiting() == 0);
    REQUIRE_FALSE(barrier.broken());
  }
  void test_barrier() const { in_step(1); }
  void test_barrier_10() const { in_step(10); }

  void test_wait_return() const {
    const auto barrier = this->make.barrier(parties);
    const Tally tally = make_tally();
    all([](const auto& at, const Tally& indexes) { add(indexes, static_cast<std::size_t>(at.wait())); }, barrier, tally);
    for (std::size_t i = 0; i < parties; ++i) REQUIRE(read(tally, i) == 1);
  }

  void test_action() const {
    if (!Make::counts_in(this->place)) return;
    const Tally tally = make_tally();
    const auto barrier = this->make.counting_barrier(parties, tally);
    all(
        [](const auto& at, const Tally& run) {
          at.wait();
          require(read(run, 0) == 1, "not run once before anybody went on");
        },
        barrier, tally);
    REQUIRE(read(tally, 0) == 1);
  }

  void test_abort() const {
    const auto barrier = this->make.barrier(parties);
    const Tally tally = make_tally();
    all(
        [](const auto& at, const Tally& arrived) {
          if (add(arrived, 0) == parties)
            at.abort();
          else
            require(breaks(at), "not broken by an abort");
        },
        barrier, tally);
    REQUIRE(barrier.broken());
    REQUIRE(barrier.n_waiting() == 0);
    REQUIRE(breaks(barrier));
    REQUIRE_THROWS_AS(barrier.wait_for(std::chrono::seconds(0)), BrokenBarrier);
    barrier.abort();  // It is no worse for it.
    barrier.reset();
    works_again(barrier);
  }

  void test_reset() const {
    const auto barrier = this->make.barrier(parties);
    barrier.reset();  // Of nobody: nothing happens.
    const Tally tally = make_tally();
    all(
        [](const auto& at, const Tally& counts) {
          if (add(counts, 0) == parties) {
            wait_until([&] { return at.n_waiting() == parties - 1; });
            at.reset();
          } else {
            require(breaks(at), "not broken by a reset");
            add(counts, 1);
          }
          at.wait();
          add(counts, 2);
        },
        barrier, tally);
    REQUIRE(read(tally, 1) == parties - 1);
    REQUIRE(read(tally, 2) == parties);
    works_again(barrier);
  }

  void test_abort_and_reset() const {
    const auto first = this->make.barrier(parties);
    const auto second = this->make.barrier(parties);
    const Tally tally = make_tally();
    all(
        [](const auto& at, const auto& other, const Tally& counts) {
          if (add(counts, 0) == parties)
            at.abort();
          else
            require(breaks(at), "not broken by an abort");
          // Nobody resets the first before all have left it.
          if (other.wait() == parties - 1) at.reset();
          other.wait();
          at.wait();
          add(counts, 1);
        },
        first, second, tally);
    REQUIRE(read(tally, 1) == parties);
    works_again(first);
  }

  void test_timeout() const {
    const auto barrier = this->make.barrier(parties);
    all(
        [](const auto& at, const Tally& arrived) {
          const bool late = add(arrived, 0) == parties;
          if (late) wait_until([&] { return at.broken(); });
          require(late ? breaks(at) : throws<BrokenBarrier>([&] { at.wait_for(moment); }), "not broken by a time-out");
        },
        barrier, make_tally());
    REQUIRE(barrier.broken());
  }

  void test_default_timeout() const {
    const auto barrier = this->make.barrier(parties, moment);
    all(
        [](const auto& at, const Tally& arrived) {
          if (add(arrived, 0) == parties) wait_until([&] { return at.broken(); });
          require(breaks(at), "not broken by its own time-out");
        },
        barrier, make_tally());
    REQUIRE(barrier.broken());
  }

  void test_single_thread() const {
    const auto barrier = this->make.barrier(1);
    REQUIRE(barrier.wait() == 0);
    REQUIRE(barrier.wait_for(std::chrono::seconds(-1)) == 0);
    this->elsewhere([](const auto& at) { require(at.wait() == 0, "the only one is the first"); }, barrier);
    REQUIRE_THROWS_AS(this->make.barrier(0), std::invalid_argument);
    REQUIRE_THROWS_AS(this->make.barrier(-1), std::invalid_argument);
  }

  void test_thousand() const {
    if constexpr (requires { Make::thousand; })
      in_order(Make::thousand);
    else
      in_order(1000);
  }
  /// Nobody begins a pass before all have begun the last one.
  void in_order(std::int64_t passes) const {
    const auto barrier = this->make.barrier(parties);
    const Tally tally = make_tally();
    add(tally, 15, passes);
    all(
        [](const auto& at, const Tally& counts) {
          for (std::int64_t pass = 0; pass < read(counts, 15); ++pass) {
            at.wait();
            require((add(counts, 0) - 1) / parties == pass, "overtaken");
          }
        },
        barrier, tally);
    REQUIRE(read(tally, 0) == parties * passes);
  }
};

}  // namespace ipc::test
