#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/start_method.hpp>
#include <ipc/detail/task_terms.hpp>

/// What managed pools and their clients say to each other.

namespace ipc::detail {

/// How a pool is made; its name and the encoded initialiser, if there is one, follow. NOTE: wire structure.
struct ManagedPoolTerms {
  std::int32_t processes = 0;            ///< 0: as many as the server's machine has CPUs for it.
  std::int32_t max_tasks_per_child = 0;  ///< 0: unlimited.
  std::int64_t initializer_timeout = 0;  ///< In nanoseconds; `TaskTerms::unlimited` for none.
  std::uint64_t max_rss = 0;             ///< In bytes; 0: unlimited.
  StartMethod start_method = StartMethod::fork;
  std::uint8_t reserved[7] = {};
};
static_assert(sizeof(ManagedPoolTerms) == 32);

/// How the outcomes of a call's tasks are had. NOTE: wire structure.
enum class ResultStyle : std::uint8_t {
  whole,   ///< The one task's outcome is the call's.
  chunks,  ///< Every task gives a piece; together, in order, they are the outcome.
  stream,  ///< One by one, each once.
  count,
};

/// What stands before the tasks of a call, each an element. NOTE: wire structure.
struct TaskHeader {
  TaskHeader() = default;
  TaskHeader(const TaskTerms& terms, ResultStyle how, bool waits = false) noexcept
      : time_limit(terms.time_limit.count()),
        priority(terms.priority),
        retries(terms.retries),
        style(how),
        wait(static_cast<std::uint8_t>(waits)) {}
  TaskTerms terms() const noexcept {
    return {.priority = priority, .retries = retries, .time_limit = std::chrono::nanoseconds(time_limit)};
  }

  std::int64_t time_limit = 0;  ///< In nanoseconds; `TaskTerms::unlimited` for none.
  std::int32_t priority = 0;
  std::uint32_t retries = 0;
  ResultStyle style = ResultStyle::whole;
  std::uint8_t wait = 0;  ///< The answer is the outcome, instead of the result's id.
  std::uint8_t reserved[6] = {};
};
static_assert(sizeof(TaskHeader) == 24);

/// What the process that runs a pool is asked. NOTE: wire structure.
enum class PoolQuestion : std::uint8_t { worker_pids, stats, resize, count };

/// What `Op::status` of a result gives. NOTE: wire structure.
struct ResultStatus {
  std::uint64_t done = 0;  ///< Tasks with an outcome.
  std::uint8_t ready = 0;
  std::uint8_t failed = 0;
  std::uint8_t cancelled = 0;
  std::uint8_t reserved[5] = {};
};
static_assert(sizeof(ResultStatus) == 16);

/// Facts about a worker, as they travel.
struct SentWorkerStats {
  WorkerStats stats;

  void ipc_encode(Writer& writer) const {
    encode(writer, stats.name);
    for (const std::int64_t number :
         {std::int64_t{stats.pid}, static_cast<std::int64_t>(stats.tasks), std::int64_t{stats.busy.count()},
          static_cast<std::int64_t>(stats.id), std::int64_t{stats.waiting.count()}, std::int64_t{stats.startup.count()},
          static_cast<std::int64_t>(stats.restarts), static_cast<std::int64_t>(stats.rss)}) {
      writer.raw(number);
    }
  }
  static SentWorkerStats ipc_decode(Reader& reader) {
    using std::chrono::nanoseconds;
    SentWorkerStats sent;
    WorkerStats& stats = sent.stats;
    stats.name = decode<std::string>(reader);
    stats.pid = static_cast<pid_t>(reader.raw<std::int64_t>());
    stats.tasks = reader.raw<std::uint64_t>();
    stats.busy = nanoseconds(reader.raw<std::int64_t>());
    stats.id = static_cast<std::size_t>(reader.raw<std::uint64_t>());
    stats.waiting = nanoseconds(reader.raw<std::int64_t>());
    stats.startup = nanoseconds(reader.raw<std::int64_t>());
    stats.restarts = reader.raw<std::uint64_t>();
    stats.rss = static_cast<std::size_t>(reader.raw<std::uint64_t>());
    return sent;
  }
};

}  // namespace ipc::detail
