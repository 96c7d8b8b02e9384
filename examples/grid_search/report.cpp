#include "report.hpp"

#include <chrono>
#include <cstdio>

namespace grid_search {

void print_plan(const Study& study, double feature_seconds, std::size_t known, int processes) {
  std::size_t bytes = 0;
  for (const FeatureMatrix& features : study.features) bytes += features.bytes();
  std::printf("%zu texts of %zu topics, every fifth held out. %zu combinations for each topic are %zu tasks", study.corpus.texts.size(),
              topics.size(), study.grid.combinations(), study.grid.size());
  if (known > 0) std::printf(", of which %zu are done", known);
  std::printf(".\n%zu feature matrices made in %.1f s; %d workers inherit them, %.0f MB.\n", study.features.size(), feature_seconds,
              processes, static_cast<double>(bytes) / 1e6);
  // Now rather than at the end: what is in the buffer when workers are forked must not come out twice.
  std::fflush(stdout);
}

void print_lost(const Study& study, const Progress& progress) {
  std::printf("\n%zu tasks have no result:\n", progress.lost.size());
  for (const Progress::Lost& lost : progress.lost) {
    std::printf("  %s: %s\n    %s\n", topics[study.grid.at(lost.task).topic], study.grid.describe(lost.task).c_str(), lost.reason.c_str());
  }
}

void print_ensemble(const Study& study, const Ensemble& ensemble) {
  std::printf("\n%-12s %6s %9s %6s  %s\n", "topic", "CV R2", "held-out", "right", "best combination");
  for (std::size_t topic = 0; topic < topics.size(); ++topic) {
    const Ensemble::Member& member = ensemble.members[topic];
    std::printf("%-12s %6.3f %9.3f %3zu/%zu  %s\n", topics[topic], member.score, member.held_out_score, member.right, held_out_per_topic,
                study.grid.describe(member.task).c_str());
  }
  std::printf("\nThe eight vote right on %zu of %zu held-out texts: %.1f %%. Guessing one topic for all: %.1f %%.\n", ensemble.right,
              ensemble.held_out, 100 * ensemble.accuracy(), 100 * Ensemble::majority_accuracy());
}

void print_progress(const Progress& progress) {
  std::printf("\n%zu tasks in %.1f s, %.0f tasks/s.\n", progress.done, progress.seconds,
              static_cast<double>(progress.done) / progress.seconds);
  if (progress.workers.empty()) return;
  std::printf("%-14s %7s %8s %17s %10s\n", "worker", "tasks", "share", "busy", "processor");
  for (const auto& [name, share] : progress.workers) {
    std::printf("%-14s %7zu %6.1f %% %8.1f s = %3.0f %% %8.1f s\n", name.c_str(), share.tasks,
                100 * static_cast<double>(share.tasks) / static_cast<double>(progress.done), share.seconds,
                100 * share.seconds / progress.seconds, share.cpu_seconds);
  }
}

void print_trace(const std::filesystem::path& file, const ipc::PoolStats& workers) {
  std::printf("%s shows when each worker did what; in all\n", file.c_str());
  for (const auto& worker : workers) {
    std::printf("worker %zu, %s (pid %d): %llu tasks in %.6f s\n", worker.id, worker.name.c_str(), static_cast<int>(worker.pid),
                static_cast<unsigned long long>(worker.tasks), std::chrono::duration<double>(worker.busy).count());
  }
}

void print_speed_up(const SpeedUp& speed_up, int processes) {
  std::printf("\nSpeed-up with %d workers: %.2f. The same %zu tasks, in %d rounds, took %.2f s in one process and %.2f s in the pool.\n",
              processes, speed_up.value(), speed_up.tasks, speed_up.rounds, speed_up.alone_seconds, speed_up.pool_seconds);
}

}  // namespace grid_search
