// The other half of the scheduler: what goes to whom next, and how much of it at once.
#include <algorithm>
#include <cstdint>

#include "ipc/pool/scheduler.hpp"

namespace ipc::pool {

std::optional<Scheduler::HandOver> Scheduler::next_hand_over() {
  while (pending_ != 0 && !hungry_.empty()) {
    const WorkerId id = hungry_.back();
    Worker& worker = at(id);
    if (!worker.leaving && worker.window.size() < share()) {
      Source& source = next_source();
      const std::uint64_t piece = piece_of(source);
      // While pieces grow, they say nothing when they come in crowds.
      if (source.pace == nullptr || piece == source.terms.most_together || worker.window.size() < limits_.least_window)
        return hand_over(id, worker, source, piece);
    }
    worker.hungry = false;
    hungry_.pop_back();
  }
  return std::nullopt;
}

void Scheduler::not_handed_over(WorkerId id) {
  Worker& worker = at(id);
  leaves_window(worker.window.back());
  worker.window.pop_back();
  --worker.given;
  make_hungry(id, worker);
}

std::size_t Scheduler::window() const noexcept {
  if (!measured_) return limits_.least_window;
  const double tasks = static_cast<double>(limits_.window_time.count()) / std::max(average_ns_, 1.0);
  return tasks >= static_cast<double>(limits_.largest_window) ? limits_.largest_window
                                                              : std::max(limits_.least_window, static_cast<std::size_t>(tasks));
}

bool Scheduler::busy_for(WorkerId id, std::chrono::nanoseconds time) const {
  auto left = static_cast<double>(time.count());
  return std::any_of(at(id).window.begin(), at(id).window.end(), [&](const Held& held) {
    const bool known = held.pace != nullptr && held.pace->longest != 0;
    left -= known ? held.pace->task_ns * static_cast<double>(held.task.count) : average_ns_;
    return left < 0;
  });
}

std::size_t Scheduler::share() const noexcept {
  // Half of an even share of all that is left, so that the last tasks do not queue up behind one worker.
  const std::size_t even = (pending_ + held_) / (2 * std::max<std::size_t>(workers_.size(), 1));
  return std::clamp<std::size_t>(even, 1, window());
}

/// How many of the source's tasks go together next: as many as take `piece_time`, or half of an even share of what is pending.
std::uint64_t Scheduler::piece_of(const Source& source) const noexcept {
  if (source.pace == nullptr || source.pace->longest == 0) return 1;
  const auto in_time = [&](std::chrono::nanoseconds time) {
    return static_cast<std::uint64_t>(static_cast<double>(time.count()) / std::max(source.pace->task_ns, 0.1));
  };
  const std::uint64_t even = pending_ / (2 * std::max<std::size_t>(workers_.size(), 1));
  const auto wanted = std::clamp(even, in_time(limits_.least_piece_time), in_time(limits_.piece_time));
  const auto by_weight = static_cast<std::uint64_t>(static_cast<double>(limits_.piece_bytes) / std::max(source.pace->task_bytes, 1.0));
  // What was seen of few says little of many, but of what takes no time it may be many more.
  const std::uint64_t trusted = source.pace->longest * (in_time(limits_.least_piece_time) >= 16 * source.pace->longest ? 16 : 4);
  return std::max<std::uint64_t>(1, std::min({wanted, trusted, by_weight, source.terms.most_together, source.end - source.next}));
}

void Scheduler::weighed(WorkerId id, std::uint64_t bytes) { weigh(at(id).window.back(), bytes); }

void Scheduler::result_weighed(WorkerId id, std::uint64_t bytes) { weigh(at(id).window.front(), bytes); }

/// The heaviest that were seen decide.
void Scheduler::weigh(const Held& held, std::uint64_t bytes) noexcept {
  if (held.pace == nullptr) return;
  held.pace->task_bytes = std::max(held.pace->task_bytes, static_cast<double>(bytes) / static_cast<double>(held.task.count));
}

/// Where what goes next comes from; there must be something.
Scheduler::Source& Scheduler::next_source() {
  auto level = levels_.begin();
  while (level->sources.empty()) ++level;
  return level->sources.front();
}

Scheduler::HandOver Scheduler::hand_over(WorkerId id, Worker& worker, Source& source, std::uint64_t piece) {
  const TaskRef task{source.job, source.next, piece};
  source.next += task.count;
  pending_ -= static_cast<std::size_t>(task.count);
  held_ += static_cast<std::size_t>(task.count);
  if (source.terms.timed()) ++timed_;
  worker.window.push_back({task, source.terms, source.pace});
  if (source.next == source.end) level(source.terms.priority).pop_front();
  if (++worker.given == limits_.max_tasks_per_child) {
    worker.leaving = true;
    orders_.push_back({Action::Kind::dismiss, id});
  }
  return {id, task};
}

}  // namespace ipc::pool
