#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include <ipc/detail/message.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/task_terms.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

namespace ipc::pool {
class PoolState;
}

namespace ipc::detail {

/// Is told that jobs have become ready, for those who wait for several. Called under the pool's lock, so it must not block,
/// throw or call the pool.
class ReadyObserver {
 public:
  ReadyObserver() = default;
  ReadyObserver(const ReadyObserver&) = delete;
  ReadyObserver& operator=(const ReadyObserver&) = delete;
  virtual ~ReadyObserver() = default;
  virtual void job_ready(std::size_t tag) noexcept = 0;
};

/// Between decoding a result and keeping it.
class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  virtual ~Gate() = default;
  /// From here on the pool's lock is held. False when nobody wants the result any more.
  virtual bool enter() = 0;
};

/// Neighbouring tasks of a job which travel, run and come back as one: [first, first + count).
struct Tasks {
  std::uint64_t first = 0;
  std::uint64_t count = 1;
};

/// What the pool knows of a call (apply_async, map, imap…): one job has one task or many, numbered from 0; the typed
/// classes below it encode arguments and decode results. Shared by the pool and the caller's handle.
///
/// The pool calls the virtual functions under its lock, so they need none of their own; they must not call the pool, nor run
/// code of the user. The exception is `deliver` of a job that says so (`runs_user_code`): it decodes without the lock, and
/// its task was encoded beforehand.
class Job {
 public:
  explicit Job(bool runs_user_code = false) : user_code_(runs_user_code) {}
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  virtual ~Job() = default;

  /// Writes what a worker needs for these tasks. Again, if a worker died before it had begun. What it throws becomes
  /// their outcome.
  virtual void encode_tasks(Tasks tasks, Writer& out) = 0;
  /// Their result has come: decodes it, then passes the gate, then keeps it. What it throws becomes their outcome.
  virtual void deliver(Tasks tasks, Reader& in, Gate& gate) = 0;
  virtual void fail(Tasks tasks, std::exception_ptr error) = 0;
  /// Gives this outcome to every task that has none, and to the job as a whole.
  virtual void fail_rest(std::exception_ptr error) = 0;

  /// What its tasks ask for. Set before they are handed in.
  TaskTerms terms;

  /// True once every task has an outcome and the callbacks have run. Then the outcome may be read without a lock.
  bool ready() const noexcept {
    // SYNC POINT: outcome visible once ready
    return ready_.load(std::memory_order_acquire);
  }

 private:
  friend class pool::PoolState;
  struct Arrival {
    Tasks tasks;
    Message message;
  };
  struct Watcher {
    ReadyObserver* observer;
    std::size_t tag;
  };

  const bool user_code_;
  // Everything below belongs to the pool and is guarded by its lock.
  std::atomic<bool> ready_{false};
  std::uint64_t unfinished_ = 0;
  std::size_t number_ = 0;
  bool settled_ = false;    // Its outcome stands, and it is ready or its callbacks are about to run.
  bool abandoned_ = false;  // What still comes for it is not looked at.
  bool cancelled_ = false;
  std::vector<std::function<void()>> callbacks_;
  std::vector<Watcher> watchers_;
  std::list<Arrival> arrivals_;  // Results whose decoding may run the user's code, and so waits. A list, which is nothing while empty.
  Fd ready_fd_;                  // Made when somebody asks for it.
  // While tasks are unfinished the job is in the pool's list, and keeps itself alive.
  std::shared_ptr<Job> self_;
  Job* previous_ = nullptr;
  Job* next_ = nullptr;
};

}  // namespace ipc::detail
