#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>

namespace ipc::pool {

/// A call of apply_async, map, imap…: one job has one task or many. Unique in the life of a pool.
enum class JobId : std::uint64_t {};
/// One worker process; a replacement has a new one. Unique in the life of a pool.
enum class WorkerId : std::uint64_t {};

/// One piece of work that a worker does as a whole: the task's number within its job.
struct TaskRef {
  JobId job{};
  std::uint64_t index = 0;
  friend auto operator<=>(const TaskRef&, const TaskRef&) = default;
};

}  // namespace ipc::pool
