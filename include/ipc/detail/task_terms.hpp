#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace ipc::detail {

/// What a call asks for each of its tasks; `TaskOptions`, as the pool's scheduler sees them.
struct TaskTerms {
  static constexpr std::chrono::nanoseconds unlimited = std::chrono::nanoseconds::max();

  int priority = 0;                                 ///< Higher ones go first.
  unsigned retries = 0;                             ///< So often a task that lost its worker may be given to another.
  std::chrono::nanoseconds time_limit = unlimited;  ///< From the task's start in the worker.
  std::uint64_t most_together = 1;                  ///< So many neighbours may travel and run as one, where they are short.

  bool timed() const noexcept { return time_limit != unlimited; }
  friend bool operator==(const TaskTerms&, const TaskTerms&) = default;
};

/// What the lazy maps make of `MapOptions::chunksize`. No input is longer, and twice as many can still be counted many times over.
constexpr std::size_t lazy_chunksize(std::size_t wanted) noexcept { return std::clamp<std::size_t>(wanted, 1, std::size_t{1} << 40); }

}  // namespace ipc::detail
