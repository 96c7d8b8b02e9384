// A search for the best of 1,782 models for each of eight topics of fortune cookies: 14,256 tasks for a pool of processes.
// Nothing that happens to a task costs more than that task, and a search that was interrupted goes on where it stopped.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <ipc/main.hpp>
#include <ipc/pool.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bad_input.hpp"
#include "ensemble.hpp"
#include "options.hpp"
#include "report.hpp"
#include "results.hpp"
#include "search.hpp"
#include "study.hpp"

namespace {

using namespace grid_search;

enum Status { ok = 0, incomplete = 1, bad_input = 2, stopped_by_ctrl_c = 130 };

std::vector<Task> missing_tasks(const Scores& scores) {
  std::vector<Task> tasks;
  for (std::size_t number = 0; number < scores.size(); ++number) {
    if (!scores[number]) tasks.push_back({static_cast<std::uint32_t>(number), Sabotage::none});
  }
  return tasks;
}

void sabotage(std::vector<Task>& tasks) {
  if (tasks.size() < 3) throw BadInput("--sabotage needs three tasks that are not done: give --out another file.");
  tasks[tasks.size() / 7].sabotage = Sabotage::throw_exception;
  tasks[tasks.size() * 3 / 7].sabotage = Sabotage::segfault;
  tasks[tasks.size() * 5 / 7].sabotage = Sabotage::kill;
}

Status stop(const Options& options, const Progress& progress, std::size_t left) {
  if (options.out.empty()) {
    std::fprintf(stderr, "Interrupted with %zu results, which are lost. With --out FILE they would be kept.\n", progress.done);
  } else {
    std::fprintf(stderr, "Interrupted: %s has all results so far. The same command again does the remaining %zu tasks.\n",
                 options.out.c_str(), left);
  }
  return stopped_by_ctrl_c;
}

Status run(const Options& options) {
  const auto begin = std::chrono::steady_clock::now();
  const Study study(read_corpus(options.data), options.grid == "full" ? Grid::full() : Grid::small());
  const std::chrono::duration<double> feature_time = std::chrono::steady_clock::now() - begin;
  current_study = &study;

  Scores scores(study.grid.size());
  std::unique_ptr<ResultFile> file;
  if (!options.out.empty()) file = std::make_unique<ResultFile>(options.out, study, scores);
  std::vector<Task> tasks = missing_tasks(scores);
  if (options.sabotage) sabotage(tasks);
  print_plan(study, feature_time.count(), scores.size() - tasks.size(), options.processes);
  if (file && file->had_torn_line()) std::printf("The last line of %s was torn and has been dropped.\n", options.out.c_str());
  std::fflush(stdout);

  // Only now: the workers are copies of this process as it is here, with the study in their memory.
  ipc::Pool pool(options.processes);
  if (!options.trace.empty()) pool.trace(options.trace);
  const Progress progress = search(pool, tasks, scores, file.get());
  if (interrupted()) return stop(options, progress, tasks.size() - progress.done);
  print_ensemble(study, vote(study, scores));
  print_progress(progress);
  if (!tasks.empty()) {
    const SpeedUp speed_up = measure_speed_up(pool, study.grid);
    if (interrupted()) return stop(options, progress, progress.lost.size());
    print_speed_up(speed_up, options.processes);
  }
  pool.close();
  pool.join();
  if (!options.trace.empty()) print_trace(options.trace, pool.stats());
  if (progress.lost.empty()) return ok;
  print_lost(study, progress);
  return incomplete;
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  catch_interrupts();
  try {
    const std::optional<Options> options = parse_options(argc, argv);
    return options ? run(*options) : ok;
  } catch (const BadInput& error) {
    std::fprintf(stderr, "grid_search: %s\n", error.what());
    return bad_input;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "grid_search: %s\n", error.what());
    return incomplete;
  }
}
