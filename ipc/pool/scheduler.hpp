#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include <ipc/detail/task_terms.hpp>

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
  /// Neighbouring tasks that may go together become pieces of about so much work…
  std::chrono::nanoseconds piece_time = std::chrono::microseconds(400);
  /// …towards the end of what is pending smaller ones, but none of less than this, which would not be worth its way.
  std::chrono::nanoseconds least_piece_time = std::chrono::microseconds(10);
  /// …and none of so many more bytes than this, each way: what is larger does not travel any better together.
  std::uint64_t piece_bytes = std::uint64_t{512} << 10;
  /// So many workers in a row may die before they are ready; then starting more of them is hopeless. One that was killed
  /// by somebody counts an eighth.
  std::size_t deaths_at_start = 8;
  /// So many in a row may die idle, without having done anything; then those that replace them are started more slowly.
  std::size_t idle_deaths = 32;
  /// A worker must be ready so long after its start; otherwise starting more of them is hopeless.
  std::chrono::nanoseconds start_limit = std::chrono::nanoseconds::max();
  /// One that was dismissed must have left so long after its last task; otherwise it is killed.
  std::chrono::nanoseconds exit_limit = std::chrono::nanoseconds::max();
};

/// Who does what: the pool's decisions as a pure state machine. Events go in through its functions, and what is to be done
/// comes out of `next_action` and `next_hand_over`. It performs no I/O, reads no clock (times come in with the events) and
/// never blocks; the tests drive it alone. Not thread-safe.
///
/// Invariants
/// 1. A task is in exactly one place: pending, in one worker's window, or ended.
/// 2. A worker works through its window in order; only the front can have started, unless an event says otherwise.
/// 3. Of the pending tasks those of the highest priority go first; among these, one that was taken back or outlived its
///    worker goes before all others, in its old order.
/// 4. Tasks go together only if they are neighbours and of one job, at most as many as its terms allow, and not before the
///    job has shown, in smaller pieces, how short they are.
/// 5. A worker is killed only after everything that it had not begun was taken back, and if the last task that it had begun
///    is the one it is to die for; it gets nothing more. So nobody else's task dies with it.
class Scheduler {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit Scheduler(SchedulerLimits limits);

  // --- events --------------------------------------------------------------------------------------------------------
  /// Tasks [first, first + count) of a job are to be done.
  void submit(JobId job, std::uint64_t first, std::uint64_t count, const detail::TaskTerms& terms = {});
  /// Tasks of this job that no worker holds are forgotten; returns them, neighbours together.
  std::vector<TaskRef> withdraw(JobId job);
  /// As `withdraw`, and those that workers hold are to end: what has not begun is taken back and told by `taken_back`, a
  /// worker that runs one is killed.
  std::vector<TaskRef> cancel(JobId job);
  /// From now on there are to be so many workers, at least 1. Those that are too many get nothing more, and leave when what
  /// they run has ended.
  void resize(std::size_t workers);
  /// The worker's process was started.
  void worker_started(WorkerId worker, TimePoint at);
  /// The worker is to be replaced once what it runs has ended.
  void retire(WorkerId worker);
  /// The worker has run its initialiser.
  void worker_ready(WorkerId worker);
  /// The front task of the worker's window has a result; `duration` is how long it ran.
  TaskRef finished(WorkerId worker, std::chrono::nanoseconds duration);
  /// The last piece that was given out for this worker was so many bytes long; or, of the front of its window, its result was.
  void weighed(WorkerId worker, std::uint64_t bytes);
  void result_weighed(WorkerId worker, std::uint64_t bytes);
  /// The last `count` pieces of the worker's window have been taken back before it started them, and it will begin no other
  /// until it is given more. Returns those that end with that, being cancelled.
  std::vector<TaskRef> taken_back(WorkerId worker, std::size_t count);
  enum class Cause : std::uint8_t { died, overran, cancelled };
  struct Loss {
    std::optional<TaskRef> running;  ///< What ended with it; everything else has been handed on, or is in `cancelled`.
    std::vector<TaskRef> cancelled;  ///< These end as well, with the outcome they have been given.
    Cause cause = Cause::died;       ///< Why the worker died.
    bool retried = false;            ///< It was running a task, which will be tried again.
    bool replaced = false;
    bool slowed = false;    ///< But not at once, for too many in a row have died idle.
    bool hopeless = false;  ///< Too many workers in a row have died before they were ready, or one takes too long.
  };
  /// The worker is dead; `started` says whether it had begun with the front of its window, `killed` whether it was by
  /// somebody's SIGKILL.
  Loss worker_lost(WorkerId worker, bool started, bool killed = false);
  /// The worker began with the front of its window, or with what follows it, at this time.
  void began(WorkerId worker, TimePoint at);
  /// Orders what is due: the end of what has run for too long, and starts that were put off. Returns when to ask again, at the latest, if
  /// nothing else happens.
  std::optional<TimePoint> time_is(TimePoint now);
  /// The driver is about to sleep: nothing has happened for a while, so tasks must be long. Idle workers may take over
  /// what waits in the windows of busy ones: from each of these once, until something happens.
  void stalled();
  /// No more jobs will come: workers leave when nothing is left.
  void close();

  // --- actions -------------------------------------------------------------------------------------------------------
  struct Action {
    enum class Kind : std::uint8_t {
      start,      ///< Start a process for `worker`.
      take_back,  ///< Try to get back what `worker` has not started; answer with `taken_back`.
      kill,       ///< Kill `worker`; its end is a `worker_lost`.
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
  /// Whether anything depends on the time: then `time_is` must be asked.
  bool timed() const noexcept {
    return timed_ != 0 || !delayed_.empty() || (start_limited() && starting_ != 0) || (exit_limited() && dismissed_ != 0);
  }
  /// Whether `next_action` has something that an event decided.
  bool has_orders() const noexcept { return !orders_.empty(); }
  std::optional<TaskRef> front(WorkerId worker) const;
  std::size_t workers() const noexcept { return workers_.size(); }
  bool closed() const noexcept { return closed_; }
  /// Nothing pending, nothing in a window.
  bool idle() const noexcept { return pending_ == 0 && held_ == 0; }
  /// Pieces that a worker may hold at present.
  std::size_t window() const noexcept;
  /// Whether what the worker holds is likely to keep it busy for longer than this, as far as is known.
  bool busy_for(WorkerId worker, std::chrono::nanoseconds time) const;

 private:
  /// How long the tasks of a job take that may go together.
  struct Pace {
    double task_ns = 0;
    std::uint64_t longest = 0;  ///< The most that have come back as one piece.
    double task_bytes = 0;
  };
  struct Source {
    JobId job;
    std::uint64_t next;
    std::uint64_t end;
    detail::TaskTerms terms;
    std::shared_ptr<Pace> pace = {};
  };
  /// What is pending of one priority.
  struct Level {
    int priority;
    std::deque<Source> sources;
  };
  struct Held {
    TaskRef task;
    detail::TaskTerms terms;
    std::shared_ptr<Pace> pace = {};
    bool cancelled = false;
  };
  struct Worker {
    std::deque<Held> window;
    std::uint64_t given = 0;  // In its life, taken back ones not counted.
    bool ready = false;
    bool leaving = false;
    bool dismissed = false;
    bool surplus = false;  // Will not be replaced.
    bool worked = false;
    bool taking_back = false;
    bool hungry = false;             // Is in `hungry_`.
    std::uint64_t relieved_at = 0;   // What `happened_` was when an idle worker took over from it.
    std::optional<TimePoint> began;  // The front of the window; before it is ready, its own start; once it may leave, that.
    std::optional<TaskRef> overdue;
    Cause doom = Cause::died;  // Otherwise it has been killed, for this.
  };

  struct Delayed {
    std::chrono::nanoseconds delay;
    std::optional<TimePoint> due;
  };

  WorkerId add_worker();
  bool start_limited() const noexcept { return limits_.start_limit != std::chrono::nanoseconds::max(); }
  bool exit_limited() const noexcept { return limits_.exit_limit != std::chrono::nanoseconds::max(); }
  void note_dismissal(WorkerId id);
  void mind_exit(WorkerId id, Worker& worker, TimePoint now, std::optional<TimePoint>& next);
  void send_away(WorkerId id, Worker& worker);
  void replace(Loss& loss);
  void start_delayed(TimePoint now, std::optional<TimePoint>& next);
  static TimePoint end_of(TimePoint start, std::chrono::nanoseconds limit) noexcept;
  Worker& at(WorkerId id) { return workers_.at(id); }
  const Worker& at(WorkerId id) const { return workers_.at(id); }
  std::deque<Source>& level(int priority);
  void make_hungry(WorkerId id, Worker& worker);
  void make_hungry_last(WorkerId id, Worker& worker);
  void put_back(const Held& held);
  void put_back_from(const std::deque<Held>& window, std::size_t from, std::vector<TaskRef>& cancelled);
  void order_take_back(WorkerId id, Worker& worker);
  void leaves_window(const Held& held) noexcept;
  void judge(WorkerId id, Worker& worker);
  std::size_t share() const noexcept;
  static void weigh(const Held& held, std::uint64_t bytes) noexcept;
  std::uint64_t piece_of(const Source& source) const noexcept;
  Source& next_source();
  HandOver hand_over(WorkerId id, Worker& worker, Source& source, std::uint64_t piece);

  SchedulerLimits limits_;
  std::map<WorkerId, Worker> workers_;
  std::vector<Level> levels_;     // The highest priority first.
  std::vector<WorkerId> hungry_;  // Those that may have room in their windows; the last is served first, the most recently freed.
  std::deque<Action> orders_;     // Decided by an event, not yet given out.
  std::uint64_t next_worker_ = 1;
  std::uint64_t happened_ = 1;  // Counts results, births and deaths.
  std::size_t pending_ = 0;
  std::size_t held_ = 0;
  std::size_t timed_ = 0;     // Pieces, of those held.
  std::size_t starting_ = 0;  // Workers that are not ready.
  std::size_t dismissed_ = 0;
  std::size_t early_deaths_ = 0;
  std::size_t idle_deaths_ = 0;
  std::vector<Delayed> delayed_;
  double average_ns_ = 0;
  bool measured_ = false;
  bool closed_ = false;
};

}  // namespace ipc::pool
