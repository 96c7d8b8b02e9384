#pragma once

#include <cstddef>
#include <ipc/pool.hpp>
#include <map>
#include <string>
#include <vector>

#include "results.hpp"
#include "study.hpp"

namespace grid_search {

/// From now on Ctrl-C makes `search` and `measure_speed_up` return soon. The workers ignore it: they share our terminal,
/// but what becomes of them is for us to say.
void catch_interrupts();
bool interrupted();

/// What was done in one run.
struct Progress {
  struct Share {
    std::size_t tasks = 0;
    double seconds = 0;
    double cpu_seconds = 0;
  };
  struct Lost {
    std::size_t task;
    std::string reason;
  };
  struct ByNumber {
    bool operator()(const std::string& a, const std::string& b) const { return a.size() != b.size() ? a.size() < b.size() : a < b; }
  };
  std::map<std::string, Share, ByNumber> workers;  // PoolWorker-2 before PoolWorker-10
  std::vector<Lost> lost;                          // tasks without a result
  std::size_t done = 0;
  double seconds = 0;
};

/// Runs `tasks` in the pool, and hands each result to `scores` and, unless it is null, to `file`, as it arrives. A task that
/// throws or loses its worker is noted, and the search goes on.
Progress search(ipc::Pool& pool, const std::vector<Task>& tasks, Scores& scores, ResultFile* file);

/// How much faster the pool is than this process alone, on the same sample of the grid's tasks.
struct SpeedUp {
  std::size_t tasks = 0;
  int rounds = 0;
  double alone_seconds = 0;
  double pool_seconds = 0;
  double value() const { return alone_seconds / pool_seconds; }
};
SpeedUp measure_speed_up(ipc::Pool& pool, const Grid& grid);

}  // namespace grid_search
