#include "ipc/pool/state.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include <ipc/detail/exception.hpp>
#include <ipc/error.hpp>

#include "ipc/os/current.hpp"
#include "ipc/os/event_fd.hpp"
#include "ipc/os/stdio.hpp"
#include "ipc/pool/worker.hpp"

namespace ipc::pool {
namespace {

std::size_t checked_size(int processes) {
  if (processes < 1) throw std::invalid_argument("A pool needs at least 1 process, not " + std::to_string(processes) + ".");
  return static_cast<std::size_t>(processes);
}

SchedulerLimits limits_from(const detail::PoolSettings& settings) {
  if (settings.max_tasks_per_child && *settings.max_tasks_per_child < 1) {
    throw std::invalid_argument("max_tasks_per_child must be at least 1, not " + std::to_string(*settings.max_tasks_per_child) +
                                "; leave it out for no limit.");
  }
  SchedulerLimits limits;
  limits.workers = checked_size(settings.processes);
  limits.start_limit = settings.initializer_timeout;
  limits.exit_limit = settings.worker_exit_timeout;
  if (settings.max_tasks_per_child) limits.max_tasks_per_child = static_cast<std::uint64_t>(*settings.max_tasks_per_child);
  return limits;
}

JobId id_of(const detail::Job& job) noexcept { return JobId{reinterpret_cast<std::uintptr_t>(&job)}; }

}  // namespace

PoolState::PoolState(detail::PoolSettings settings)
    : owner_(os::process_id()),
      settings_(std::move(settings)),
      size_(checked_size(settings_.processes)),
      scheduler_(limits_from(settings_)),
      wake_(os::make_event_fd()) {}

PoolState::~PoolState() {
  // A callback of the background thread had the last handle: then that thread, which has a share of its own, was the last user.
  if (std::this_thread::get_id() == background_.get_id()) background_.detach();
}

void PoolState::start_workers(const std::shared_ptr<PoolState>& self) {
  if (settings_.start_method != StartMethod::fork && settings_.initializer && !settings_.ship_initializer)
    throw NotShippable(settings_.not_shippable);
  if (settings_.start_method != StartMethod::fork && settings_.worker_exit) {
    throw NotShippable("PoolOptions::worker_exit may hold anything, so it can run only in forked workers.");
  }
  const WorkerDuties duties{settings_.initializer, settings_.worker_exit};
  source_ = process::make_child_source(
      settings_.start_method, [duties](detail::Message& letter) { return run_worker(letter, duties); },
      detail::token_of(reinterpret_cast<const void*>(&run_spawned_worker)), settings_.name + "Nursery");
  try {
    const Lock lock(mutex_);
    while (const auto action = scheduler_.next_action()) start_worker(action->worker);
  } catch (...) {
    kill_workers();
    throw;
  }
  background_ = std::jthread([self](const std::stop_token& stop) { self->background(stop); });
}

// --- jobs --------------------------------------------------------------------------------------------------------------

bool PoolState::owned_here() const noexcept { return !witness_.forked(); }

void PoolState::require_owner() const {
  if (owned_here()) return;
  throw UsageError("A pool can be used only in the process that made it (pid " + std::to_string(owner_) + "); this is pid " +
                   std::to_string(os::process_id()) + ". Make a pool of its own here.");
}

void PoolState::check_usable() const {
  if (failure_) std::rethrow_exception(failure_);
  if (terminated_) throw UsageError("The pool has been terminated: it takes no more tasks.");
  if (closed_) throw UsageError("The pool has been closed: it takes no more tasks.");
}

void PoolState::submit(const std::shared_ptr<detail::Job>& job, std::uint64_t first, std::uint64_t count, bool will_wait) {
  require_owner();
  const Lock lock(mutex_);
  check_usable();
  if (count == 0) {
    // An empty map: there is nothing to wait for.
    if (job->unfinished_ == 0) job->ready_.store(true, std::memory_order_release);
    return;
  }
  // A cancelled job takes nothing more.
  if (job->cancelled_) return;
  if (job->unfinished_ == 0) enlist(job);
  job->unfinished_ += count;
  scheduler_.submit(id_of(*job), first, count, job->terms);
  dispatch();
  mind_sleepers();
  if (will_wait || role_ == Role::caller) return;
  // A caller that only submits keeps the workers busy by the way: what it takes in now, nobody needs to be woken for.
  if (++activity_ % 16 == 0 && !spinning_ && receive_all()) dispatch();
  if (!watched() && !announce_sleep()) {
    receive_all();
    dispatch();
  }
  if (has_background_work() || !to_call_.empty() || failure_) os::signal_event_fd(wake_.get());
}

void PoolState::enlist(const std::shared_ptr<detail::Job>& job) {
  job->settled_ = false;
  if (job->number_ == 0) job->number_ = ++jobs_numbered_;
  job->self_ = job;
  job->previous_ = nullptr;
  job->next_ = jobs_;
  if (jobs_ != nullptr) jobs_->previous_ = job.get();
  jobs_ = job.get();
}

void PoolState::outcome(detail::Job& job, std::uint64_t tasks) {
  job.unfinished_ -= tasks;
  if (job.unfinished_ != 0) return;
  auto self = delist(job);
  if (job.user_code_) {
    // Most often somebody still has a handle, and then there is no hurry.
    burial_due_ = burial_due_ || self.use_count() == 1 || to_bury_.size() > 1000;
    to_bury_.push_back(self);
  }
  if (!job.settled_) settle(std::move(self));
}

std::shared_ptr<detail::Job> PoolState::delist(detail::Job& job) {
  (job.previous_ != nullptr ? job.previous_->next_ : jobs_) = job.next_;
  if (job.next_ != nullptr) job.next_->previous_ = job.previous_;
  return std::move(job.self_);
}

void PoolState::settle(std::shared_ptr<detail::Job> job) {
  job->settled_ = true;
  if (job->callbacks_.empty())
    make_ready(*job);
  else
    to_call_.push_back(std::move(job));
}

void PoolState::make_ready(detail::Job& job) {
  // SYNC POINT: outcome visible once ready
  job.ready_.store(true, std::memory_order_release);
  if (job.ready_fd_) os::signal_event_fd(job.ready_fd_.get());
  for (const auto& [observer, tag] : std::exchange(job.watchers_, {})) observer->job_ready(tag);
}

void PoolState::fail(const TaskRef& task, std::exception_ptr error) {
  detail::Job& job = job_of(task);
  if (!job.abandoned_) job.fail(tasks_of(task), std::move(error));
  outcome(job, task.count);
}

void PoolState::fail_everything(const std::exception_ptr& error) {
  while (jobs_ != nullptr) {
    const auto job = delist(*jobs_);
    job->unfinished_ = 0;
    if (job->settled_) continue;
    job->fail_rest(error);
    settle(job);
  }
}

void PoolState::locked(const std::function<void()>& f) {
  const Lock lock(mutex_);
  f();
}

void PoolState::abandon(detail::Job& job) {
  if (!owned_here()) return;
  const Lock lock(mutex_);
  job.abandoned_ = true;
  if (job.unfinished_ == 0) return;
  for (const TaskRef& tasks : scheduler_.withdraw(id_of(job))) job.unfinished_ -= tasks.count;
  if (job.unfinished_ != 0) return;
  const auto self = delist(job);
  if (!job.settled_) settle(self);
}

bool PoolState::cancel(detail::Job& job) {
  require_owner();
  Lock lock(mutex_);
  if (job.cancelled_) return true;
  if (job.settled_ || job.unfinished_ == 0) return false;
  for (const TaskRef& tasks : scheduler_.cancel(id_of(job))) job.unfinished_ -= tasks.count;
  job.cancelled_ = job.abandoned_ = true;
  job.fail_rest(std::make_exception_ptr(Cancelled("The task was cancelled.")));
  auto self = job.self_;
  if (job.unfinished_ == 0) delist(job);
  settle(std::move(self));
  mind_sleepers();
  work_for(lock, nullptr);
  wake_waiters();
  return true;
}

bool PoolState::cancelled(const detail::Job& job) const noexcept {
  const Lock lock(mutex_);
  return job.cancelled_;
}

void PoolState::observe(detail::Job& job, detail::ReadyObserver& observer, std::size_t tag) {
  const Lock lock(mutex_);
  if (job.ready())
    observer.job_ready(tag);
  else
    job.watchers_.push_back({&observer, tag});
}

int PoolState::ready_fd(detail::Job& job) {
  const Lock lock(mutex_);
  if (!job.ready_fd_) {
    job.ready_fd_ = os::make_event_fd();
    if (job.ready()) os::signal_event_fd(job.ready_fd_.get());
  }
  return job.ready_fd_.get();
}

void PoolState::forget(detail::Job& job, detail::ReadyObserver& observer) noexcept {
  const Lock lock(mutex_);
  std::erase_if(job.watchers_, [&](const auto& watcher) { return watcher.observer == &observer; });
}

std::size_t PoolState::size() const {
  const Lock lock(mutex_);
  return size_;
}

void PoolState::resize(int processes) {
  require_owner();
  const std::size_t wanted = checked_size(processes);
  const Lock lock(mutex_);
  check_usable();
  size_ = wanted;
  scheduler_.resize(wanted);
  mind_sleepers();
}

std::size_t PoolState::in_flight_limit() const {
  const Lock lock(mutex_);
  return 2 * size_ * std::max<std::size_t>(1, scheduler_.window() / 2);
}

// --- the end -----------------------------------------------------------------------------------------------------------

void PoolState::close() {
  require_owner();
  const Lock lock(mutex_);
  closed_ = true;
  scheduler_.close();
  os::signal_event_fd(wake_.get());
}

void PoolState::terminate() {
  require_owner();
  Lock lock(mutex_);
  if (terminated_) return;
  terminated_ = closed_ = true;
  fail_everything(std::make_exception_ptr(PoolTerminated("The pool was terminated before this task had a result.")));
  kill_workers();
  woken_.store(true, std::memory_order_relaxed);
  os::signal_event_fd(wake_.get());
  turn_.notify_all();
  work_for(lock, nullptr);
}

void PoolState::join() {
  require_owner();
  {
    const Lock lock(mutex_);
    if (!closed_ && !failure_) throw UsageError("The pool is still running: close() or terminate() it before join().");
    if (joined_) return;
  }
  // SUBTLE: while those that replace the dead are still to be started, there may be work and no worker.
  wait([this] { return links_.empty() && (broken() || scheduler_.idle()); }, detail::Deadline::never(), nullptr);
  background_.request_stop();
  if (std::this_thread::get_id() == background_.get_id()) return;  // In a callback, which cannot wait for its own end.
  {
    const Lock lock(mutex_);
    background_turn_.notify_all();
    os::signal_event_fd(wake_.get());
    joined_ = true;
    trace_.reset();
  }
  background_.join();
  source_.reset();
}

}  // namespace ipc::pool

namespace ipc::detail {

std::shared_ptr<PoolCore> PoolCore::start(PoolSettings settings) {
  auto state = std::make_shared<pool::PoolState>(std::move(settings));
  state->start_workers(state);
  return state;
}

}  // namespace ipc::detail
