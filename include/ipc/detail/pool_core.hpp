#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/job.hpp>
#include <ipc/detail/start_method.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::detail {

struct PoolSettings {
  int processes = 0;
  std::optional<int> max_tasks_per_child;
  StartMethod start_method = StartMethod::fork;
  std::string name;
  /// Runs in each worker before its first task. Empty for none.
  std::function<void()> initializer;
  /// Encodes the same for workers that are not forked. Empty where it cannot be shipped; then `not_shippable` says why.
  std::function<void(Writer&)> ship_initializer;
  std::string not_shippable;
  /// Until a worker must be ready; `nanoseconds::max()` for none.
  std::chrono::nanoseconds initializer_timeout = std::chrono::nanoseconds::max();
  /// Runs in each forked worker that is dismissed. Empty for none.
  std::function<void()> worker_exit;
  /// So long may a worker take to leave once it was dismissed.
  std::chrono::nanoseconds worker_exit_timeout = std::chrono::nanoseconds::max();
  std::optional<std::size_t> max_rss;
  bool backtraces = true;
};

struct WorkerStats {
  static constexpr std::size_t no_id = static_cast<std::size_t>(-1);

  std::string name;
  pid_t pid = 0;
  std::uint64_t tasks = 0;             ///< With an outcome.
  std::chrono::nanoseconds busy{};     ///< Spent in tasks.
  std::size_t id = 0;                  ///< What `worker_id()` gives there.
  std::chrono::nanoseconds waiting{};  ///< Spent between tasks, since it was ready.
  std::chrono::nanoseconds startup{};  ///< From its launch until it was ready, initialiser included.
  std::uint64_t restarts = 0;          ///< How many workers had this id before; of "earlier workers", how many they were.
  std::size_t rss = 0;                 ///< Memory it has resident now, in bytes; 0 for one that has left.
};

/// Of the exception being handled, with this process as the one that threw it: how a task's failure travels.
void write_current_exception(Writer& out);

/// The untyped pool: bytes in, bytes out. Any thread of the process that made it may call anything; in a process forked
/// from that one every call throws `UsageError`.
class PoolCore {
 public:
  PoolCore() = default;
  PoolCore(const PoolCore&) = delete;
  PoolCore& operator=(const PoolCore&) = delete;
  virtual ~PoolCore() = default;

  /// Starts the workers. Throws what starting them throws.
  static std::shared_ptr<PoolCore> start(PoolSettings settings);

  /// Hands in tasks [first, first + count) of a job. Throws `UsageError` once the pool is closed or terminated, and the
  /// initialiser's error once that has failed. `will_wait`: this thread calls `wait` next, nobody else needs to look.
  virtual void submit(const std::shared_ptr<Job>& job, std::uint64_t first, std::uint64_t count, bool will_wait) = 0;
  /// Drives the pool until `done()`, which is asked under the pool's lock, or the deadline; returns `done()`. Of results
  /// whose decoding may run the user's code this thread decodes those of the job that it waits for, and no others: it may
  /// hold locks that theirs need.
  virtual bool wait(const std::function<bool()>& done, Deadline deadline, Job* mine = nullptr) = 0;
  /// Runs `f` under the pool's lock, which guards what jobs hold.
  virtual void locked(const std::function<void()>& f) = 0;
  /// Takes in what has arrived, without waiting.
  virtual void poll() = 0;
  /// Has `callback` run once the job is ready; at once, in this thread, if it is.
  virtual void when_done(Job& job, std::function<void()> callback) = 0;
  /// Has the observer told once the job is ready, with this tag; at once if it is. It must be forgotten before it ends.
  virtual void observe(Job& job, ReadyObserver& observer, std::size_t tag) = 0;
  virtual void forget(Job& job, ReadyObserver& observer) noexcept = 0;
  /// Readable once the job is ready; owned by the job.
  virtual int ready_fd(Job& job) = 0;
  /// Ends the job with `Cancelled`: what has not begun never will, and workers that run its tasks are killed and replaced.
  /// Returns whether the job is cancelled now; false when it had its outcome already.
  virtual bool cancel(Job& job) = 0;
  virtual bool cancelled(const Job& job) const noexcept = 0;
  /// True in a callback of this very job: its outcome is there although it is not `ready` yet.
  virtual bool in_callback_of(const Job& job) const noexcept = 0;
  /// Nobody wants this job's results any more: what has not started never will.
  virtual void abandon(Job& job) = 0;
  /// How many tasks a lazy map should keep handed in.
  virtual std::size_t in_flight_limit() const = 0;

  virtual void close() = 0;
  virtual void terminate() = 0;
  virtual void join() = 0;
  virtual std::size_t size() const = 0;
  virtual void resize(int processes) = 0;
  virtual void trace(const std::string& path) = 0;
  virtual std::vector<pid_t> worker_pids() const = 0;
  virtual std::vector<WorkerStats> stats() const = 0;
  /// False in a process that was forked from the one that made the pool.
  virtual bool owned_here() const noexcept = 0;
};

}  // namespace ipc::detail
