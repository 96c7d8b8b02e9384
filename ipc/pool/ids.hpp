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

/// One piece of work that a worker does as a whole: a task of a job, by its number, or several neighbours that go together.
struct TaskRef {
  JobId job{};
  std::uint64_t index = 0;
  std::uint64_t count = 1;
  friend auto operator<=>(const TaskRef&, const TaskRef&) = default;
};

}  // namespace ipc::pool
