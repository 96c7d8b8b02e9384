#include "search.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <exception>
#include <optional>
#include <stdexcept>

namespace grid_search {
namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t interrupt_seen = 0;

double seconds_since(Clock::time_point begin) { return std::chrono::duration<double>(Clock::now() - begin).count(); }

// Calls `use` with each outcome and `lose` with the position of each task that has none and why, until all are there
// or the user interrupts.
template <class Use, class Lose>
void drain(ipc::Pool& pool, const std::vector<Task>& tasks, const std::string& label, Use use, Lose lose) {
  auto outcomes = pool.imap_unordered(evaluate, tasks, {.progress = label});
  while (!interrupted()) {
    try {
      // The time-out is for Ctrl-C: a signal does not end the wait.
      const std::optional<Outcome> outcome = outcomes.next(std::chrono::milliseconds(100));
      if (!outcome) return;
      use(*outcome);
    } catch (const ipc::TimeoutError&) {
    } catch (const ipc::PoolTerminated&) {
      throw;
    } catch (const ipc::RemoteError& error) {
      lose(outcomes.index(), error.type_name() + ": " + error.what());
    } catch (const ipc::WorkerLost& error) {
      lose(outcomes.index(), std::string("WorkerLost: ") + error.what());
    }
  }
}

}  // namespace

void catch_interrupts() {
  std::signal(SIGINT, [](int) {
    interrupt_seen = 1;
    std::signal(SIGINT, SIG_DFL);  // A second one does not wait for us.
  });
}

bool interrupted() { return interrupt_seen != 0; }

Progress search(ipc::Pool& pool, const std::vector<Task>& tasks, Scores& scores, ResultFile* file) {
  Progress progress;
  const auto begin = Clock::now();
  drain(
      pool, tasks, "grid search",
      [&](const Outcome& outcome) {
        scores[outcome.number] = outcome.score;
        if (file != nullptr) file->append(outcome);
        Progress::Share& share = progress.workers[outcome.worker.data()];
        ++share.tasks;
        share.seconds += outcome.seconds;
        share.cpu_seconds += outcome.cpu_seconds;
        ++progress.done;
      },
      [&](std::size_t position, const std::string& reason) {
        progress.lost.push_back({tasks[position].number, reason});
      });
  progress.seconds = seconds_since(begin);
  return progress;
}

SpeedUp measure_speed_up(ipc::Pool& pool, const Grid& grid) {
  SpeedUp result;
  // The two ways take turns, so that a machine that becomes busier or slower meanwhile treats both alike, and each
  // round's tasks are spread over the whole grid.
  constexpr std::size_t rounds = 4;
  // Many, for at the end of each round one worker has nothing to do but to wait for the other.
  const std::size_t wanted = std::min<std::size_t>(grid.size(), 800);
  const std::size_t stride = grid.size() / wanted;
  for (std::size_t round = 0; round < rounds && !interrupted(); ++round) {
    std::vector<Task> tasks;
    for (std::size_t i = round; i < wanted; i += rounds) tasks.push_back({static_cast<std::uint32_t>(i * stride), Sabotage::none});

    const auto alone = Clock::now();
    for (const Task& task : tasks) {
      if (interrupted()) return result;
      evaluate(task);
    }
    result.alone_seconds += seconds_since(alone);

    const auto together = Clock::now();
    drain(
        pool, tasks, "", [](const Outcome&) {}, [](std::size_t, const std::string& reason) { throw std::runtime_error(reason); });
    result.pool_seconds += seconds_since(together);
    result.tasks += tasks.size();
    ++result.rounds;
  }
  return result;
}

}  // namespace grid_search
