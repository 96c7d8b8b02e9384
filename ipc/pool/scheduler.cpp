#include "ipc/pool/scheduler.hpp"

#include <algorithm>
#include <cassert>

namespace ipc::pool {

Scheduler::Scheduler(SchedulerLimits limits) : limits_(limits) {
  for (std::size_t i = 0; i < limits_.workers; ++i) add_worker();
}

WorkerId Scheduler::add_worker() {
  const WorkerId id{next_worker_++};
  workers_.emplace(id, Worker{});
  orders_.push_back({Action::Kind::start, id});
  return id;
}

void Scheduler::submit(JobId job, std::uint64_t first, std::uint64_t count) {
  if (count == 0) return;
  // Consecutive tasks of one job stay one entry: a map of a million tasks costs no more than one of ten.
  if (!sources_.empty() && sources_.back().job == job && sources_.back().end == first)
    sources_.back().end += count;
  else
    sources_.push_back({job, first, first + count});
  pending_ += static_cast<std::size_t>(count);
  if (!hungry_.empty()) return;
  for (auto& [id, worker] : workers_) {
    if (worker.ready && worker.window.size() < limits_.least_window) make_hungry(id, worker);
  }
}

std::vector<std::uint64_t> Scheduler::withdraw(JobId job) {
  std::vector<std::uint64_t> numbers;
  std::erase_if(sources_, [&](const Source& source) {
    if (source.job != job) return false;
    for (auto i = source.next; i < source.end; ++i) numbers.push_back(i);
    return true;
  });
  pending_ -= numbers.size();
  return numbers;
}

void Scheduler::worker_ready(WorkerId id) {
  early_deaths_ = 0;
  Worker& worker = at(id);
  worker.ready = true;
  make_hungry(id, worker);
}

TaskRef Scheduler::finished(WorkerId id, std::chrono::nanoseconds duration) {
  Worker& worker = at(id);
  const TaskRef task = worker.window.front();
  worker.window.pop_front();
  --held_;
  // An exponential average that follows a change of the load within some ten tasks.
  const auto ns = static_cast<double>(duration.count());
  average_ns_ = measured_ ? average_ns_ + (ns - average_ns_) / 8 : ns;
  measured_ = true;
  // Half-empty windows are filled in one go.
  if (worker.window.size() * 2 <= window()) make_hungry(id, worker);
  return task;
}

void Scheduler::taken_back(WorkerId id, std::size_t count) {
  Worker& worker = at(id);
  worker.taking_back = false;
  assert(count <= worker.window.size());
  const std::size_t kept = worker.window.size() - count;
  put_back(worker.window, kept);
  worker.window.resize(kept);
  worker.given -= count;
  held_ -= count;
  make_hungry(id, worker);
}

Scheduler::Loss Scheduler::worker_lost(WorkerId id, bool started) {
  Loss loss;
  Worker& worker = at(id);
  const bool runs = started && !worker.window.empty();
  if (runs) loss.running = worker.window.front();
  put_back(worker.window, runs ? 1 : 0);
  held_ -= worker.window.size();
  if (!worker.ready) ++early_deaths_;
  workers_.erase(id);
  std::erase(hungry_, id);
  loss.hopeless = early_deaths_ >= limits_.deaths_at_start;
  if (!loss.hopeless && !(closed_ && idle())) {
    add_worker();
    loss.replaced = true;
  }
  return loss;
}

void Scheduler::stalled() {
  if (pending_ != 0) return;
  auto idle =
      std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) { return entry.second.ready && entry.second.window.empty(); });
  if (!idle) return;
  const auto fullest = std::max_element(workers_.begin(), workers_.end(),
                                        [](const auto& a, const auto& b) { return a.second.window.size() < b.second.window.size(); });
  if (fullest == workers_.end() || fullest->second.window.size() < 2 || fullest->second.taking_back) return;
  fullest->second.taking_back = true;
  orders_.push_back({Action::Kind::take_back, fullest->first});
}

void Scheduler::close() { closed_ = true; }

std::optional<Scheduler::Action> Scheduler::next_action() {
  if (!orders_.empty()) {
    const Action action = orders_.front();
    orders_.pop_front();
    return action;
  }
  if (closed_ && idle()) {
    for (auto& [id, worker] : workers_) {
      if (worker.leaving || !worker.ready) continue;
      worker.leaving = true;
      return Action{Action::Kind::dismiss, id};
    }
  }
  return std::nullopt;
}

std::optional<Scheduler::HandOver> Scheduler::next_hand_over() {
  while (pending_ != 0 && !hungry_.empty()) {
    const WorkerId id = hungry_.back();
    Worker& worker = at(id);
    if (!worker.leaving && worker.window.size() < share()) return hand_over(id, worker);
    worker.hungry = false;
    hungry_.pop_back();
  }
  return std::nullopt;
}

void Scheduler::not_handed_over(WorkerId id) {
  Worker& worker = at(id);
  worker.window.pop_back();
  --worker.given;
  --held_;
  make_hungry(id, worker);
}

std::size_t Scheduler::held(WorkerId id) const { return workers_.at(id).window.size(); }

std::optional<TaskRef> Scheduler::front(WorkerId id) const {
  const auto& window = workers_.at(id).window;
  return window.empty() ? std::nullopt : std::optional(window.front());
}

std::size_t Scheduler::window() const noexcept {
  if (!measured_) return limits_.least_window;
  const double tasks = static_cast<double>(limits_.window_time.count()) / std::max(average_ns_, 1.0);
  return tasks >= static_cast<double>(limits_.largest_window) ? limits_.largest_window
                                                              : std::max(limits_.least_window, static_cast<std::size_t>(tasks));
}

std::size_t Scheduler::share() const noexcept {
  // Half of an even share of all that is left, so that the last tasks do not queue up behind one worker.
  const std::size_t even = (pending_ + held_) / (2 * std::max<std::size_t>(workers_.size(), 1));
  return std::clamp<std::size_t>(even, 1, window());
}

void Scheduler::make_hungry(WorkerId id, Worker& worker) {
  if (worker.hungry || worker.leaving) return;
  worker.hungry = true;
  hungry_.push_back(id);
}

void Scheduler::put_back(const std::deque<TaskRef>& tasks, std::size_t from) {
  for (std::size_t i = tasks.size(); i > from; --i) sources_.push_front({tasks[i - 1].job, tasks[i - 1].index, tasks[i - 1].index + 1});
  pending_ += tasks.size() - from;
}

Scheduler::HandOver Scheduler::hand_over(WorkerId id, Worker& worker) {
  Source& source = sources_.front();
  const TaskRef task{source.job, source.next++};
  if (source.next == source.end) sources_.pop_front();
  --pending_;
  ++held_;
  worker.window.push_back(task);
  if (++worker.given == limits_.max_tasks_per_child) {
    worker.leaving = true;
    orders_.push_back({Action::Kind::dismiss, id});
  }
  return {id, task};
}

}  // namespace ipc::pool
