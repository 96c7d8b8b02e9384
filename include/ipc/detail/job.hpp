#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <vector>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::pool {
class PoolState;
}

namespace ipc::detail {

/// What the pool knows of a call (apply_async, map, imap…): one job has one task or many, numbered from 0; the typed
/// classes below it encode arguments and decode results. Shared by the pool and the caller's handle.
///
/// The pool calls the virtual functions under its lock, so they need none of their own; they must not call the pool, and
/// neither must the `serialize` functions that they run.
class Job {
 public:
  Job() = default;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  /// Writes what a worker needs for task `index`. Again, if a worker died before it had begun. What it throws becomes
  /// the task's outcome.
  virtual void encode_task(std::uint64_t index, Writer& out) = 0;
  /// A result has come. What it throws becomes the task's outcome.
  virtual void deliver(std::uint64_t index, Reader& in) = 0;
  virtual void fail(std::uint64_t index, std::exception_ptr error) = 0;
  /// Gives this outcome to every task that has none.
  virtual void fail_rest(std::exception_ptr error) = 0;

  /// True once every task has an outcome and the callbacks have run. Then the outcome may be read without a lock.
  bool ready() const noexcept {
    // SYNC POINT: outcome visible once ready
    return ready_.load(std::memory_order_acquire);
  }

 private:
  friend class pool::PoolState;

  // Everything below belongs to the pool and is guarded by its lock.
  std::atomic<bool> ready_{false};
  std::uint64_t unfinished_ = 0;
  bool abandoned_ = false;
  std::vector<std::function<void()>> callbacks_;
  // While tasks are unfinished the job is in the pool's list, and keeps itself alive.
  std::shared_ptr<Job> self_;
  Job* previous_ = nullptr;
  Job* next_ = nullptr;
};

}  // namespace ipc::detail
