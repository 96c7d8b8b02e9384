#include "ipc/pool/scheduler.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace ipc::pool {

Scheduler::Scheduler(SchedulerLimits limits) : limits_(limits) {
  for (std::size_t i = 0; i < limits_.workers; ++i) add_worker();
}

WorkerId Scheduler::add_worker() {
  const WorkerId id{next_worker_++};
  workers_.emplace(id, Worker{});
  ++starting_;
  orders_.push_back({Action::Kind::start, id});
  return id;
}

std::deque<Scheduler::Source>& Scheduler::level(int priority) {
  auto it = levels_.begin();
  while (it != levels_.end() && it->priority > priority) ++it;
  if (it != levels_.end() && it->priority == priority) return it->sources;
  // Few are in use at a time; what is left of earlier ones goes when a new one comes.
  std::erase_if(levels_, [](const Level& level) { return level.sources.empty(); });
  it = std::find_if(levels_.begin(), levels_.end(), [&](const Level& level) { return level.priority < priority; });
  return levels_.insert(it, Level{priority, {}})->sources;
}

void Scheduler::submit(JobId job, std::uint64_t first, std::uint64_t count, const detail::TaskTerms& terms) {
  if (count == 0) return;
  auto& sources = level(terms.priority);
  // Consecutive tasks of one job stay one entry: a map of a million tasks costs no more than one of ten.
  if (!sources.empty() && sources.back().job == job && sources.back().end == first && sources.back().terms == terms)
    sources.back().end += count;
  else
    sources.push_back({job, first, first + count, terms, terms.most_together == 1 ? nullptr : std::make_shared<Pace>()});
  pending_ += static_cast<std::size_t>(count);
  if (levels_.size() > 1) {
    // What waits in a window gives way to what is more urgent.
    for (auto& [id, worker] : workers_) {
      const auto& window = worker.window;
      if (window.size() > 1 &&
          std::any_of(window.begin() + 1, window.end(), [&](const Held& held) { return held.terms.priority < terms.priority; }))
        order_take_back(id, worker);
    }
  }
  if (!hungry_.empty()) return;
  for (auto& [id, worker] : workers_) {
    if (worker.ready && worker.window.size() < limits_.least_window) make_hungry(id, worker);
  }
}

std::vector<TaskRef> Scheduler::withdraw(JobId job) {
  std::vector<TaskRef> tasks;
  for (Level& level : levels_) {
    std::erase_if(level.sources, [&](const Source& source) {
      if (source.job != job) return false;
      tasks.push_back({job, source.next, source.end - source.next});
      pending_ -= static_cast<std::size_t>(tasks.back().count);
      return true;
    });
  }
  return tasks;
}

std::vector<TaskRef> Scheduler::cancel(JobId job) {
  auto tasks = withdraw(job);
  for (auto& [id, worker] : workers_) {
    bool any = false;
    for (Held& held : worker.window) {
      if (held.task.job != job) continue;
      held.cancelled = any = true;
    }
    if (any) order_take_back(id, worker);
  }
  return tasks;
}

void Scheduler::resize(std::size_t workers) {
  limits_.workers = workers;
  auto staying = delayed_.size() + static_cast<std::size_t>(std::count_if(workers_.begin(), workers_.end(),
                                                                          [](const auto& entry) { return !entry.second.surplus; }));
  for (; staying < workers; ++staying) add_worker();
  for (; staying > workers && !delayed_.empty(); --staying) delayed_.pop_back();
  for (; staying > workers; --staying) {
    // Whoever leaves anyway, then whoever has the least to do.
    const auto rank = [](const Worker& worker) { return std::pair(!worker.leaving, worker.window.size()); };
    auto least = workers_.end();
    for (auto it = workers_.begin(); it != workers_.end(); ++it) {
      if (!it->second.surplus && (least == workers_.end() || rank(it->second) < rank(least->second))) least = it;
    }
    least->second.surplus = true;
    send_away(least->first, least->second);
  }
}

void Scheduler::retire(WorkerId id) { send_away(id, at(id)); }

void Scheduler::send_away(WorkerId id, Worker& worker) {
  if (std::exchange(worker.leaving, true)) return;
  if (!worker.window.empty()) order_take_back(id, worker);
  orders_.push_back({Action::Kind::dismiss, id});
}

void Scheduler::worker_started(WorkerId id, TimePoint at_time) { at(id).began = at_time; }

void Scheduler::worker_ready(WorkerId id) {
  ++happened_;
  early_deaths_ = 0;
  Worker& worker = at(id);
  if (!std::exchange(worker.ready, true)) --starting_;
  worker.began.reset();
  make_hungry(id, worker);
}

TaskRef Scheduler::finished(WorkerId id, std::chrono::nanoseconds duration) {
  ++happened_;
  Worker& worker = at(id);
  const TaskRef task = worker.window.front().task;
  const auto pace = std::move(worker.window.front().pace);
  leaves_window(worker.window.front());
  worker.window.pop_front();
  worker.began.reset();
  worker.worked = true;
  idle_deaths_ = 0;
  // An exponential average that follows a change of the load within some ten tasks.
  const auto ns = static_cast<double>(duration.count());
  average_ns_ = measured_ ? average_ns_ + (ns - average_ns_) / 8 : ns;
  measured_ = true;
  if (pace != nullptr) {
    const double each = ns / static_cast<double>(task.count);
    pace->task_ns = pace->longest == 0 ? each : (pace->task_ns + each) / 2;
    pace->longest = std::max(pace->longest, task.count);
  }
  // Half-empty windows are filled in one go.
  if (worker.window.size() * 2 <= window()) make_hungry(id, worker);
  return task;
}

std::vector<TaskRef> Scheduler::taken_back(WorkerId id, std::size_t count) {
  Worker& worker = at(id);
  worker.taking_back = false;
  assert(count <= worker.window.size());
  const std::size_t kept = worker.window.size() - count;
  std::vector<TaskRef> cancelled;
  put_back_from(worker.window, kept, cancelled);
  worker.window.resize(kept);
  worker.given -= count;
  judge(id, worker);
  // It has not got to these: whoever else has room may be quicker.
  make_hungry_last(id, worker);
  return cancelled;
}

// Right after a take-back: if the worker runs anything, it is the last of its window.
void Scheduler::judge(WorkerId id, Worker& worker) {
  const auto overdue = std::exchange(worker.overdue, std::nullopt);
  if (worker.window.empty() || worker.doom != Cause::died) return;
  const Held& last = worker.window.back();
  if (last.cancelled)
    worker.doom = Cause::cancelled;
  else if (overdue == last.task)
    worker.doom = Cause::overran;
  else
    return;
  worker.leaving = true;
  orders_.push_back({Action::Kind::kill, id});
}

Scheduler::Loss Scheduler::worker_lost(WorkerId id, bool started, bool killed) {
  ++happened_;
  Loss loss;
  Worker& worker = at(id);
  loss.cause = worker.doom;
  const bool runs = started && !worker.window.empty();
  put_back_from(worker.window, runs ? 1 : 0, loss.cancelled);
  if (runs) {
    Held& front = worker.window.front();
    leaves_window(front);
    if (front.cancelled) {
      loss.cancelled.push_back(front.task);
    } else if (front.terms.retries != 0) {
      --front.terms.retries;
      put_back(front);
      loss.retried = true;
    } else {
      loss.running = front.task;
    }
  }
  if (worker.dismissed) --dismissed_;
  const bool surplus = worker.surplus;
  if (!worker.ready) {
    --starting_;
    early_deaths_ += killed && !worker.leaving ? 1 : 8;
    loss.hopeless = loss.cause == Cause::overran || early_deaths_ >= 8 * limits_.deaths_at_start;
  } else if (!runs && !worker.worked && !worker.leaving) {
    ++idle_deaths_;
  }
  workers_.erase(id);
  std::erase(hungry_, id);
  if (!loss.hopeless && !surplus && !(closed_ && idle())) replace(loss);
  return loss;
}

void Scheduler::replace(Loss& loss) {
  loss.replaced = true;
  if (idle_deaths_ < limits_.idle_deaths) {
    add_worker();
    return;
  }
  loss.slowed = true;
  const auto doublings = std::min<std::size_t>(idle_deaths_ - limits_.idle_deaths, 9);
  delayed_.push_back({std::chrono::milliseconds(2) * (1 << doublings), std::nullopt});
}

void Scheduler::start_delayed(TimePoint now, std::optional<TimePoint>& next) {
  if (closed_ && idle()) delayed_.clear();
  std::erase_if(delayed_, [&](Delayed& delayed) {
    if (!delayed.due) delayed.due = now + delayed.delay;
    if (*delayed.due <= now) {
      add_worker();
      return true;
    }
    if (!next || *delayed.due < *next) next = delayed.due;
    return false;
  });
}

Scheduler::TimePoint Scheduler::end_of(TimePoint start, std::chrono::nanoseconds limit) noexcept {
  return limit >= TimePoint::max() - start ? TimePoint::max() : start + limit;
}

void Scheduler::began(WorkerId id, TimePoint at_time) { at(id).began = at_time; }

std::optional<Scheduler::TimePoint> Scheduler::time_is(TimePoint now) {
  std::optional<TimePoint> next;
  if (!timed()) return next;
  start_delayed(now, next);
  for (auto& [id, worker] : workers_) {
    if (!worker.ready) {
      if (!start_limited() || !worker.began || worker.doom != Cause::died) continue;
      const TimePoint end = end_of(*worker.began, limits_.start_limit);
      if (end <= now) {
        worker.doom = Cause::overran;
        worker.leaving = true;
        orders_.push_back({Action::Kind::kill, id});
      } else if (!next || end < *next) {
        next = end;
      }
      continue;
    }
    if (worker.window.empty()) mind_exit(id, worker, now, next);
    if (worker.window.empty() || worker.doom != Cause::died || worker.overdue) continue;
    const Held& front = worker.window.front();
    if (!front.terms.timed() || front.cancelled) continue;
    // One that has not begun may do so at any time.
    const TimePoint end = end_of(worker.began.value_or(now), front.terms.time_limit);
    if (worker.began && end <= now) {
      worker.overdue = front.task;
      order_take_back(id, worker);
    } else if (!next || end < *next) {
      next = end;
    }
  }
  return next;
}

void Scheduler::stalled() {
  if (pending_ != 0) return;
  const auto idle = std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) {
    return entry.second.ready && !entry.second.leaving && entry.second.window.empty();
  });
  if (!idle) return;
  auto fullest = workers_.end();
  for (auto it = workers_.begin(); it != workers_.end(); ++it) {
    const Worker& worker = it->second;
    // SUBTLE: where no worker gets a CPU, tasks that go round among the idle would keep the driver awake, and maybe on that CPU.
    if (worker.window.size() < 2 || worker.relieved_at == happened_) continue;
    if (fullest == workers_.end() || worker.window.size() > fullest->second.window.size()) fullest = it;
  }
  if (fullest == workers_.end()) return;
  fullest->second.relieved_at = happened_;
  order_take_back(fullest->first, fullest->second);
}

void Scheduler::order_take_back(WorkerId id, Worker& worker) {
  if (std::exchange(worker.taking_back, true)) return;
  orders_.push_back({Action::Kind::take_back, id});
}

void Scheduler::close() { closed_ = true; }

void Scheduler::note_dismissal(WorkerId id) {
  const auto found = workers_.find(id);
  if (found == workers_.end()) return;
  found->second.dismissed = true;
  ++dismissed_;
}

/// Kills a worker that does not leave.
void Scheduler::mind_exit(WorkerId id, Worker& worker, TimePoint now, std::optional<TimePoint>& next) {
  if (!exit_limited() || !worker.dismissed || worker.doom != Cause::died) return;
  // It was seen to be done only now, so that is when its time begins.
  if (!worker.began) worker.began = now;
  const TimePoint end = end_of(*worker.began, limits_.exit_limit);
  if (end <= now) {
    worker.doom = Cause::overran;
    orders_.push_back({Action::Kind::kill, id});
  } else if (!next || end < *next) {
    next = end;
  }
}

std::optional<Scheduler::Action> Scheduler::next_action() {
  if (!orders_.empty()) {
    const Action action = orders_.front();
    orders_.pop_front();
    if (action.kind == Action::Kind::dismiss) note_dismissal(action.worker);
    return action;
  }
  if (closed_ && idle()) {
    for (auto& [id, worker] : workers_) {
      if (worker.leaving || !worker.ready) continue;
      worker.leaving = true;
      note_dismissal(id);
      return Action{Action::Kind::dismiss, id};
    }
  }
  return std::nullopt;
}

std::size_t Scheduler::held(WorkerId id) const { return at(id).window.size(); }

std::optional<TaskRef> Scheduler::front(WorkerId id) const {
  const auto& window = at(id).window;
  return window.empty() ? std::nullopt : std::optional(window.front().task);
}

void Scheduler::make_hungry(WorkerId id, Worker& worker) {
  if (worker.hungry || worker.leaving) return;
  worker.hungry = true;
  hungry_.push_back(id);
}

void Scheduler::make_hungry_last(WorkerId id, Worker& worker) {
  if (worker.leaving) return;
  if (std::exchange(worker.hungry, true)) std::erase(hungry_, id);
  hungry_.insert(hungry_.begin(), id);
}

void Scheduler::leaves_window(const Held& held) noexcept {
  held_ -= static_cast<std::size_t>(held.task.count);
  if (held.terms.timed()) --timed_;
}

void Scheduler::put_back(const Held& held) {
  level(held.terms.priority).push_front({held.task.job, held.task.index, held.task.index + held.task.count, held.terms, held.pace});
  pending_ += static_cast<std::size_t>(held.task.count);
}

/// Hands on the window from this position to its end; what was cancelled is listed instead.
void Scheduler::put_back_from(const std::deque<Held>& window, std::size_t from, std::vector<TaskRef>& cancelled) {
  for (std::size_t i = window.size(); i > from; --i) {
    const Held& held = window[i - 1];
    leaves_window(held);
    if (held.cancelled)
      cancelled.push_back(held.task);
    else
      put_back(held);
  }
}

}  // namespace ipc::pool
