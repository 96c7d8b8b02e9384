#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "ipc/pool/ids.hpp"

namespace ipc::pool {

struct SchedulerLimits {
  std::size_t workers = 1;
  /// A worker leaves after so many tasks; 0 is never.
  std::uint64_t max_tasks_per_child = 0;
  /// A worker's window of handed-over tasks holds about so much work, so that neither side waits for the other when the
  /// tasks are small…
  std::chrono::nanoseconds window_time = std::chrono::microseconds(200);
  /// …but never more tasks than this, and always at least `least_window`: the next task is there when one ends.
  std::size_t largest_window = 256;
  std::size_t least_window = 2;
  /// So many workers in a row may die before they are ready; then starting more of them is hopeless.
  std::size_t deaths_at_start = 8;
};

/// Who does what: the pool's decisions as a pure state machine. Events go in through its functions, and what is to be done
/// comes out of `next_action` and `next_hand_over`. It performs no I/O, reads no clock and never blocks; the tests drive it alone. Not
/// thread-safe.
///
/// Invariants
/// 1. A task is in exactly one place: pending, in one worker's window, or ended.
/// 2. A worker works through its window in order; only the front can have started, unless `worker_lost` says otherwise.
/// 3. A task that was taken back or outlived its worker goes before all that is pending, in its old order.
class Scheduler {
 public:
  explicit Scheduler(SchedulerLimits limits);

  // --- events --------------------------------------------------------------------------------------------------------
  /// Tasks [first, first + count) of a job are to be done.
  void submit(JobId job, std::uint64_t first, std::uint64_t count);
  /// Tasks of this job that no worker holds are forgotten; returns their numbers (at most those submitted).
  std::vector<std::uint64_t> withdraw(JobId job);
  /// The worker has run its initialiser.
  void worker_ready(WorkerId worker);
  /// The front task of the worker's window has a result; `duration` is how long it ran.
  TaskRef finished(WorkerId worker, std::chrono::nanoseconds duration);
  /// The last `count` tasks of the worker's window have been taken back before it started them.
  void taken_back(WorkerId worker, std::size_t count);
  struct Loss {
    std::optional<TaskRef> running;  ///< What died with it; everything else has been handed on.
    bool replaced = false;
    bool hopeless = false;  ///< Too many workers in a row have died before they were ready.
  };
  /// The worker is dead; `started` says whether it had begun with the front of its window.
  Loss worker_lost(WorkerId worker, bool started);
  /// The driver is about to sleep: nothing has happened for a while, so tasks must be long. Idle workers may take over
  /// what waits in the windows of busy ones.
  void stalled();
  /// No more jobs will come: workers leave when nothing is left.
  void close();

  // --- actions -------------------------------------------------------------------------------------------------------
  struct Action {
    enum class Kind : std::uint8_t {
      start,      ///< Start a process for `worker`.
      take_back,  ///< Try to get back what `worker` has not started; answer with `taken_back`.
      dismiss,    ///< Tell `worker` to leave after what it has; its end is a `worker_lost` with an empty window.
    };
    Kind kind;
    WorkerId worker;
  };
  /// The next thing to do with the workers, if any. Each is given once.
  std::optional<Action> next_action();
  struct HandOver {
    WorkerId worker;
    TaskRef task;
  };
  /// The next task to give to a worker, if any: it stands at the end of that worker's window now.
  std::optional<HandOver> next_hand_over();
  /// The last task given out for this worker could not be sent, and has its outcome.
  void not_handed_over(WorkerId worker);

  // --- facts ---------------------------------------------------------------------------------------------------------
  std::size_t pending() const noexcept { return pending_; }
  std::size_t held(WorkerId worker) const;
  std::optional<TaskRef> front(WorkerId worker) const;
  std::size_t workers() const noexcept { return workers_.size(); }
  bool closed() const noexcept { return closed_; }
  /// Nothing pending, nothing in a window.
  bool idle() const noexcept { return pending_ == 0 && held_ == 0; }
  /// Tasks a worker may hold at present.
  std::size_t window() const noexcept;

 private:
  struct Source {
    JobId job;
    std::uint64_t next;
    std::uint64_t end;
  };
  struct Worker {
    std::deque<TaskRef> window;
    std::uint64_t given = 0;  // In its life, taken back ones not counted.
    bool ready = false;
    bool leaving = false;
    bool taking_back = false;
    bool hungry = false;  // Is in `hungry_`.
  };

  WorkerId add_worker();
  Worker& at(WorkerId id) { return workers_.at(id); }
  void make_hungry(WorkerId id, Worker& worker);
  void put_back(const std::deque<TaskRef>& tasks, std::size_t from);
  std::size_t share() const noexcept;
  HandOver hand_over(WorkerId id, Worker& worker);

  SchedulerLimits limits_;
  std::map<WorkerId, Worker> workers_;
  std::deque<Source> sources_;
  std::vector<WorkerId> hungry_;  // Those that may have room in their windows, the most recently freed last.
  std::deque<Action> orders_;     // Decided by an event, not yet given out.
  std::uint64_t next_worker_ = 1;
  std::size_t pending_ = 0;
  std::size_t held_ = 0;
  std::size_t early_deaths_ = 0;
  double average_ns_ = 0;
  bool measured_ = false;
  bool closed_ = false;
};

}  // namespace ipc::pool
