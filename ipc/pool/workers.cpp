#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <iterator>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/resident.hpp"
#include "ipc/os/signal_name.hpp"
#include "ipc/os/stdio.hpp"
#include "ipc/pool/state.hpp"

namespace ipc::pool {
namespace {

using Clock = std::chrono::steady_clock;

std::string how_it_ended(int exitcode) {
  if (exitcode < 0) return "was killed by " + os::signal_name(-exitcode);
  return "left with exit status " + std::to_string(exitcode);
}

std::string process_label(const Link& link) { return link.name + " (pid " + std::to_string(link.child.pid()) + ")"; }

std::string seconds_text(std::chrono::nanoseconds time) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%g s", std::chrono::duration<double>(time).count());
  return text.data();
}

std::exception_ptr why_lost(const Link& link, int exitcode, Scheduler::Cause cause, const detail::TaskTerms& terms) {
  if (cause == Scheduler::Cause::overran) {
    return std::make_exception_ptr(TaskTimeout("The task ran for longer than its " + seconds_text(terms.time_limit) +
                                               ", so its worker process " + process_label(link) + " was killed and replaced."));
  }
  const std::string what = "The worker process " + process_label(link) + " " + how_it_ended(exitcode) + " while it ran this task.";
  return std::make_exception_ptr(WorkerLost(what, link.child.pid(), exitcode));
}

std::exception_ptr why_hopeless(const Link& link, int exitcode, Scheduler::Cause cause, std::chrono::nanoseconds start_limit) {
  if (cause == Scheduler::Cause::overran) {
    return std::make_exception_ptr(TimeoutError("The worker process " + process_label(link) + " was not ready " +
                                                seconds_text(start_limit) +
                                                " after its start, so it was killed. Its initializer hangs, or needs a longer "
                                                "initializer_timeout."));
  }
  const std::string what = "The pool's workers die before they are ready; the last, " + process_label(link) + ", " +
                           how_it_ended(exitcode) + ". Look at what the initializer and the code before main do.";
  return std::make_exception_ptr(WorkerLost(what, link.child.pid(), exitcode));
}

}  // namespace

std::size_t PoolState::free_lane() const {
  std::vector<bool> taken(links_.size() + 1);
  for (const auto& link : links_) {
    if (link->lane < taken.size()) taken[link->lane] = true;
  }
  return static_cast<std::size_t>(std::find(taken.begin(), taken.end(), false) - taken.begin());
}

void PoolState::start_worker(WorkerId id) {
  const std::size_t lane = free_lane();
  auto [ours, seed] = transport::Channel::create(ring_capacity);
  auto link = std::make_unique<Link>(id, settings_.name + "Worker-" + std::to_string(++workers_named_), lane, std::move(ours));
  detail::Writer out;
  out.raw(Appointment{lane, settings_.max_rss.value_or(0), settings_.backtraces ? 1U : 0U});
  if (settings_.start_method != StartMethod::fork && settings_.ship_initializer) settings_.ship_initializer(out);
  auto letter = out.take();
  std::vector<Fd> fds;
  fds.push_back(std::move(seed.memory));
  fds.push_back(std::move(seed.socket));
  std::move(letter.fds.begin(), letter.fds.end(), std::back_inserter(fds));
  letter.fds = std::move(fds);
  link->child = source_->launch(link->name, std::move(letter));
  starts_.resize(std::max(starts_.size(), lane + 1));
  link->restarts = starts_[lane]++;
  scheduler_.worker_started(id, link->launched);
  if (trace_) trace_->worker(lane, link->name, link->child.pid());
  links_.push_back(std::move(link));
  ++links_version_;
}

void PoolState::lose(Link& link) {
  // What it had published before it died counts.
  while (link.stirs() && receive_from(link)) continue;
  const int exitcode = link.child.wait(detail::Deadline::never()).value_or(process::Child::unknown_exitcode);
  const bool begun = !link.sequences.empty() && link.claims().begun(link.sequences.front());
  const auto running = begun ? scheduler_.front(link.id) : std::nullopt;
  const auto loss = scheduler_.worker_lost(link.id, begun, exitcode == -SIGKILL);
  if (trace_ && !broken()) trace_loss(link, exitcode, loss, running);
  end_cancelled(loss.cancelled);
  if (loss.running && !broken()) fail(*loss.running, why_lost(link, exitcode, loss.cause, job_of(*loss.running).terms));
  if (loss.hopeless) break_down(why_hopeless(link, exitcode, loss.cause, settings_.initializer_timeout));
  if (loss.cause == Scheduler::Cause::overran && link.dismissed && !loss.running && !loss.hopeless) {
    os::write_to_stderr("ipc: worker_exit of " + process_label(link) + " did not return within " +
                        seconds_text(settings_.worker_exit_timeout) + ", so the process was killed.\n");
  }
  if (loss.slowed && !std::exchange(slowness_told_, true)) {
    os::write_to_stderr("ipc: the workers of pool " + settings_.name + " die again and again without having done anything; the last, " +
                        process_label(link) + ", " + how_it_ended(exitcode) + ". From now on they are replaced more slowly.\n");
  }
  remember(stats_of(link, false));
  std::erase_if(links_, [&](const auto& other) { return other.get() == &link; });
  ++links_version_;
}

/// Of those that left long ago, only the sums stay.
void PoolState::remember(detail::WorkerStats former) {
  constexpr std::size_t most_remembered = 1000;
  former_workers_.push_back(std::move(former));
  if (former_workers_.size() <= most_remembered) return;
  const detail::WorkerStats oldest = std::move(former_workers_.front());
  former_workers_.pop_front();
  if (!earlier_workers_) earlier_workers_ = detail::WorkerStats{.name = "earlier workers", .id = detail::WorkerStats::no_id};
  earlier_workers_->tasks += oldest.tasks;
  earlier_workers_->busy += oldest.busy;
  earlier_workers_->waiting += oldest.waiting;
  earlier_workers_->startup += oldest.startup;
  ++earlier_workers_->restarts;
}

void PoolState::trace_loss(Link& link, int exitcode, const Scheduler::Loss& loss, const std::optional<TaskRef>& running) {
  const char* why = loss.cause == Scheduler::Cause::overran ? "killed for its time limit" : "killed, cancelled";
  const std::string how = loss.cause == Scheduler::Cause::died ? how_it_ended(exitcode) : why;
  if (running) {
    const auto start = link.last_start();
    trace_->task(link.lane, *running, job_of(*running).number_, start, Clock::now() - start, loss.retried ? "lost, to be retried" : how);
  }
  trace_->event(link.lane, process_label(link) + " " + how);
}

// --- facts -------------------------------------------------------------------------------------------------------------

detail::WorkerStats PoolState::stats_of(Link& link, bool present) {
  detail::WorkerStats stats{link.name, link.child.pid(), link.tasks, link.busy, link.lane, {}, {}, link.restarts};
  if (link.ready_since != Clock::time_point::max()) {
    stats.startup = link.ready_since - link.launched;
    const auto now = Clock::now();
    const bool runs = !link.sequences.empty() && link.claims().begun(link.sequences.front());
    const auto running = runs ? now - link.last_start() : Clock::duration::zero();
    stats.waiting = std::max<std::chrono::nanoseconds>(now - link.ready_since - link.busy - running, std::chrono::nanoseconds::zero());
  }
  if (present) stats.rss = os::resident_bytes(link.child.pid());
  return stats;
}

std::vector<pid_t> PoolState::worker_pids() const {
  const Lock lock(mutex_);
  std::vector<pid_t> pids;
  for (const auto& link : links_) pids.push_back(link->child.pid());
  return pids;
}

std::vector<detail::WorkerStats> PoolState::stats() const {
  const Lock lock(mutex_);
  std::vector<detail::WorkerStats> all;
  if (earlier_workers_) all.push_back(*earlier_workers_);
  all.insert(all.end(), former_workers_.begin(), former_workers_.end());
  for (const auto& link : links_) all.push_back(stats_of(*link, true));
  return all;
}

void PoolState::trace(const std::string& path) {
  require_owner();
  const Lock lock(mutex_);
  check_usable();
  trace_ = std::make_unique<Trace>(path, settings_.name, owner_);
  for (const auto& link : links_) trace_->worker(link->lane, link->name, link->child.pid());
}

// --- the end -----------------------------------------------------------------------------------------------------------

void PoolState::break_down(std::exception_ptr error) {
  if (broken()) return;
  failure_ = std::move(error);
  fail_everything(failure_);
  kill_workers();
}

std::exception_ptr PoolState::why_no_workers() const {
  return std::make_exception_ptr(PoolTerminated("The process from which pool " + settings_.name + " gets its workers (" + settings_.name +
                                                "Nursery) was killed, and its workers with it. Make a new pool."));
}

/// To be called while what its thread has thrown is handled.
std::exception_ptr PoolState::why_unattended() const {
  std::string what = "it threw something that is no std::exception";
  try {
    throw;
  } catch (const std::exception& error) {
    what = error.what();
  } catch (...) {
  }
  return std::make_exception_ptr(PoolTerminated("The thread that looks after the workers of pool " + settings_.name + " cannot go on (" +
                                                what + "), so its workers were killed. Make a new pool."));
}

void PoolState::kill_workers() {
  for (const auto& link : links_) link->child.signal(SIGKILL);
}

}  // namespace ipc::pool
