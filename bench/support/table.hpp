#pragma once

#include <functional>
#include <string>
#include <vector>

namespace ipc::bench {

/// One way to do a thing: `seconds()` does it so often as it takes to time it, and says how long one time took.
struct Contender {
  std::string name;
  std::function<double()> seconds;
  /// What is wanted of the first contender's time beside this one's: "at least" so many times faster (4), or, below one,
  /// at most so many times slower (0.5: twice as slow). 0: nothing.
  double wanted = 0;
};

/// Runs the contenders of each row in turns (first, second, third, first, …), so that a machine that gets slower on the way
/// gets slower for all of them; at least seven turns, after one that does not count. Prints median and minimum, as a table,
/// and how many times faster the first contender is than each other one. Environment: IPC_BENCH_TURNS, more turns than seven;
/// IPC_BENCH_ROW, only rows that have this text in their names; IPC_BENCH_SPREAD=1, the times of all turns as well.
class Table {
 public:
  explicit Table(std::string title);
  /// Measures and prints one row. The first contender is ours.
  void row(const std::string& what, std::vector<Contender> contenders);

 private:
  int turns_;
  const char* only_ = nullptr;
  bool all_turns_ = false;
};

/// Calls `f` so often and says how many seconds one call took.
double time_each(int count, const std::function<void()>& f);

}  // namespace ipc::bench
