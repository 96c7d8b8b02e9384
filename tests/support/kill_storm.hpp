#pragma once

#include <cstdlib>
#include <functional>
#include <random>
#include <vector>

#include "tests/support/fork_child.hpp"
#include "tests/support/shared.hpp"

namespace ipc::test {

/// Kills processes at random points of what they do under contention, many times over, replacing each, and waits after
/// each kill until every other process has got on: whoever hangs, the watchdog names the test.
class KillStorm {
 public:
  /// `operation(index)` is done again and again in each of `size` processes until that is killed, which they all are in the end.
  /// Each process has its own copy of it.
  KillStorm(int size, std::function<void(int)> operation) : size_(size), operation_(std::move(operation)), counters_(make_counters()) {}

  /// How many processes a storm kills: `usual`, or what the environment's IPC_TEST_KILLS says, for long runs.
  static int kills(int usual) {
    const char* text = std::getenv("IPC_TEST_KILLS");
    return text == nullptr ? usual : std::atoi(text);
  }
  /// Kills `kills` processes, then the rest, when all together have finished so many operations at least.
  void run(int kills, unsigned seed, std::int64_t least_operations = 0) {
    std::mt19937 random(seed);
    std::vector<ForkedChild> children;
    for (int i = 0; i < size_; ++i) children.push_back(start(i));
    for (int killed = 0; killed < kills; ++killed) {
      const auto victim = static_cast<std::size_t>(random() % static_cast<unsigned>(size_));
      // So that it is in the middle of something, and not of being born.
      await_progress(victim, 1 + random() % 20);
      for (auto spin = random() % 2000; spin > 0; --spin) asm volatile("");
      children[victim].kill();
      children[victim].wait();
      for (int i = 0; i < size_; ++i) {
        if (static_cast<std::size_t>(i) != victim) await_progress(static_cast<std::size_t>(i), 2);
      }
      // Its successor begins a new account.
      settle(victim);
      children[victim] = start(static_cast<int>(victim));
    }
    wait_until([&] { return least() >= least_operations; });
  }
  /// Operations that were surely finished, and that may have been, over all processes ever.
  std::int64_t least() const { return total_done_ + sum(1); }
  std::int64_t most() const { return total_begun_ + sum(0); }

 private:
  /// One process's account, in shared memory: it outlives the process.
  struct Account {
    std::atomic<std::int64_t>& begun;  ///< Operations begun…
    std::atomic<std::int64_t>& done;   ///< …and finished: at most one fewer.
  };
  Account account(std::size_t index) { return {(*counters_)[2 * index], (*counters_)[2 * index + 1]}; }
  ForkedChild start(int index) {
    return ForkedChild([this, index] {
      for (const Account own = account(static_cast<std::size_t>(index));;) {
        ++own.begun;
        operation_(index);
        ++own.done;
      }
    });
  }
  void await_progress(std::size_t index, std::int64_t operations) {
    const std::int64_t from = account(index).done;
    wait_until([&] { return account(index).done >= from + operations; });
  }
  void settle(std::size_t index) {
    total_begun_ += account(index).begun.exchange(0);
    total_done_ += account(index).done.exchange(0);
  }
  std::int64_t sum(std::size_t which) const {
    std::int64_t total = 0;
    for (int i = 0; i < size_; ++i) total += (*counters_)[2 * static_cast<std::size_t>(i) + which];
    return total;
  }

  int size_;
  std::function<void(int)> operation_;
  std::shared_ptr<Counters> counters_;
  std::int64_t total_begun_ = 0;
  std::int64_t total_done_ = 0;
};

/// Adds one to each of a row of numbers that are equal unless somebody died adding, who may have left the later ones without
/// theirs: those get it first, if `recovered` says so. False when they differ in any other way.
template <class Row>
bool add_to_each(Row&& row, bool recovered) {
  bool whole = true;
  for (auto& number : row) {
    if (number == row[0]) continue;
    whole = whole && recovered && number == row[0] - 1;
    number = static_cast<std::int64_t>(row[0]);
  }
  for (auto& number : row) ++number;
  return whole;
}

}  // namespace ipc::test
