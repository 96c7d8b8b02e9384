#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <ipc/detail/pool_core.hpp>
#include <ipc/fd.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/fork_witness.hpp"
#include "ipc/pool/link.hpp"
#include "ipc/pool/scheduler.hpp"
#include "ipc/pool/trace.hpp"
#include "ipc/process/child_source.hpp"

namespace ipc::pool {

/// The pool in the process that made it: the I/O around the Scheduler.
///
/// The thread that waits makes the progress. `role_` says who looks after the workers: a caller in `wait`, or the background
/// thread, which sleeps on the doorbells while nobody waits. A caller takes the role from the background thread by just
/// saying so, without waking it; it gives it back when it leaves.
///
/// Invariants
/// 1. Everything is guarded by `mutex_`, but for the reading ends of the channels while `spinning_`: then they, and
///    `links_`, belong to the thread that has the role.
/// 2. While the role's owner sleeps, it has announced that on every channel, or nothing can arrive (no task is handed out),
///    or it is the background thread, which sleeps for a moment only because callers are active: they take things in by the
///    way, and to be woken for each result would cost more than the result.
/// 3. A job is in the list of jobs while it has unfinished tasks. A cancelled one is settled before that.
class PoolState final : public detail::PoolCore {
 public:
  explicit PoolState(detail::PoolSettings settings);
  ~PoolState() override;
  /// To be called once. `self` is this: its background thread has a share of it.
  void start_workers(const std::shared_ptr<PoolState>& self);

  void submit(const std::shared_ptr<detail::Job>& job, std::uint64_t first, std::uint64_t count, bool will_wait) override;
  bool wait(const std::function<bool()>& done, detail::Deadline deadline, detail::Job* mine) override;
  void locked(const std::function<void()>& f) override;
  void poll() override;
  void when_done(detail::Job& job, std::function<void()> callback) override;
  void observe(detail::Job& job, detail::ReadyObserver& observer, std::size_t tag) override;
  void forget(detail::Job& job, detail::ReadyObserver& observer) noexcept override;
  int ready_fd(detail::Job& job) override;
  bool cancel(detail::Job& job) override;
  bool cancelled(const detail::Job& job) const noexcept override;
  bool in_callback_of(const detail::Job& job) const noexcept override;
  void abandon(detail::Job& job) override;
  std::size_t in_flight_limit() const override;
  void close() override;
  void terminate() override;
  void join() override;
  std::size_t size() const override;
  void resize(int processes) override;
  void trace(const std::string& path) override;
  std::vector<pid_t> worker_pids() const override;
  std::vector<detail::WorkerStats> stats() const override;
  bool owned_here() const noexcept override;

 private:
  using Lock = std::unique_lock<std::mutex>;
  enum class Role : std::uint8_t { nobody, caller, background };

  // state.cpp: jobs
  void check_usable() const;
  void require_owner() const;
  /// No task can be done any more: every job has its outcome, and what workers still send is not looked at.
  bool broken() const noexcept { return failure_ != nullptr || terminated_; }
  void enlist(const std::shared_ptr<detail::Job>& job);
  static detail::Job& job_of(const TaskRef& task) noexcept {
    return *reinterpret_cast<detail::Job*>(static_cast<std::uintptr_t>(task.job));
  }
  static detail::Tasks tasks_of(const TaskRef& task) noexcept { return {task.index, task.count}; }
  std::shared_ptr<detail::Job> delist(detail::Job& job);
  void settle(std::shared_ptr<detail::Job> job);
  void make_ready(detail::Job& job);
  void outcome(detail::Job& job, std::uint64_t tasks);
  void fail(const TaskRef& task, std::exception_ptr error);
  void fail_everything(const std::exception_ptr& error);
  // Code of the user runs without a lock and without the role.
  bool has_work_for(const detail::Job* mine) const noexcept { return !to_call_.empty() || (mine != nullptr && !mine->arrivals_.empty()); }
  void work_for(Lock& lock, detail::Job* mine);
  void work_for_all(Lock& lock);
  void decode_one(Lock& lock, detail::Job& job);
  void run_callbacks(Lock& lock, detail::Job& job);
  void wake_waiters();
  void call(const std::function<void()>& callback) const noexcept;

  // driver.cpp: who waits, and how
  void drive(Lock& lock, const std::function<bool()>& done, detail::Deadline deadline, const detail::Job* mine);
  /// Work that only the background thread takes on.
  bool has_background_work() const noexcept { return !arrived_.empty() || burial_due_; }
  void rouse_background();
  bool step();
  bool announce_sleep();
  /// Whether what arrives now is noticed although nobody waits.
  bool watched() const noexcept { return announced_ || (background_parked_ && ticking_); }
  void awake();
  void park(Lock& lock, detail::Deadline deadline);
  detail::Deadline time_limit();
  void mind_sleepers();
  void give_role_away();
  void background(const std::stop_token& stop);
  void look_after_workers(Lock& lock, const std::stop_token& stop);
  void notice_deaths();

  // workers.cpp: their births, deaths and facts
  void start_worker(WorkerId id);
  std::size_t free_lane() const;
  void lose(Link& link);
  void remember(detail::WorkerStats former);
  void trace_loss(Link& link, int exitcode, const Scheduler::Loss& loss, const std::optional<TaskRef>& running);
  void break_down(std::exception_ptr error);
  std::exception_ptr why_no_workers() const;
  std::exception_ptr why_unattended() const;
  void kill_workers();
  static detail::WorkerStats stats_of(Link& link, bool present);

  // links.cpp: what comes from them and goes to them
  Link* find(WorkerId id) noexcept;
  bool receive_all();
  bool receive_from(Link& link);
  void handle(Link& link, transport::Record& record);
  void deliver(Lock* lock, detail::Job& job, detail::Tasks tasks, bool is_result, detail::Reader& in);
  void answer_doorbell(Link& link);
  /// Until every worker has what it is to have, or until there are results to look at first.
  enum class Until : std::uint8_t { sated, results };
  bool dispatch(Until until = Until::sated);
  void hand_over(Link& link, const TaskRef& task);
  bool perform_actions();
  void take_back(Link& link);
  void end_cancelled(const std::vector<TaskRef>& tasks);
  void dismiss(Link& link);

  const pid_t owner_;
  const os::ForkWitness witness_;
  detail::PoolSettings settings_;
  std::unique_ptr<process::ChildSource> source_;

  mutable std::mutex mutex_;
  std::size_t size_;
  Scheduler scheduler_;
  std::vector<std::unique_ptr<Link>> links_;
  std::uint64_t links_version_ = 0;  // Counts the changes of `links_`.
  std::deque<detail::WorkerStats> former_workers_;
  std::optional<detail::WorkerStats> earlier_workers_;  // The sums of those that were before them.
  std::uint64_t workers_named_ = 0;
  std::vector<std::uint64_t> starts_;  // Of workers, by lane.
  bool slowness_told_ = false;
  std::unique_ptr<Trace> trace_;
  detail::Job* jobs_ = nullptr;
  std::size_t jobs_numbered_ = 0;
  std::deque<std::shared_ptr<detail::Job>> arrived_;   // Have arrivals, or had them: one entry for each.
  std::deque<std::shared_ptr<detail::Job>> to_call_;   // Complete, but for their callbacks.
  std::vector<std::shared_ptr<detail::Job>> to_bury_;  // What the user put into them may be destroyed with them.
  bool burial_due_ = false;
  std::exception_ptr failure_;  // Why no task can be done any more.
  bool closed_ = false;
  bool terminated_ = false;
  bool joined_ = false;

  Role role_ = Role::nobody;
  bool spinning_ = false;
  bool announced_ = false;
  bool background_parked_ = false;
  bool background_roused_ = false;
  std::uint64_t parked_version_ = 0;  // Of the links that the background thread polls.
  // Until when who sleeps in poll will sleep; `min` for not at all.
  static constexpr Scheduler::TimePoint not_asleep = Scheduler::TimePoint::min();
  Scheduler::TimePoint caller_sleeps_until_ = not_asleep;
  Scheduler::TimePoint background_sleeps_until_ = not_asleep;
  std::size_t waiting_ = 0;       // Callers that wait for `turn_`.
  std::condition_variable turn_;  // The role is free, or something has been done.
  std::condition_variable background_turn_;
  Fd wake_;  // Ends whoever's poll.
  std::atomic<bool> woken_{false};
  base::WaitBudget budget_{os::allowed_cpus()};
  std::chrono::steady_clock::time_point deaths_noticed_{};
  std::uint64_t activity_ = 0;       // Counts the callers' doings…
  std::uint64_t activity_seen_ = 0;  // …as the background thread knows them.
  bool ticking_ = false;             // It will look by itself in a moment.
  std::jthread background_;          // Last: it uses everything above.
};

}  // namespace ipc::pool
