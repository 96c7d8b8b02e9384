#include "study.hpp"

#include <chrono>
#include <csignal>
#include <ctime>
#include <ipc/process.hpp>
#include <stdexcept>
#include <string>
#include <utility>

namespace grid_search {
namespace {

// Writes where nothing is mapped. The sanitizers would report that before the kernel does.
__attribute__((no_sanitize("address", "undefined"))) void write_to_nowhere() {
  std::signal(SIGSEGV, SIG_DFL);
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

void commit(Sabotage sabotage) {
  switch (sabotage) {
    case Sabotage::none:
      return;
    case Sabotage::throw_exception:
      throw std::runtime_error("sabotage");
    case Sabotage::segfault:
      return write_to_nowhere();
    case Sabotage::kill:
      std::raise(SIGKILL);
  }
}

}  // namespace

const Study* current_study = nullptr;

Study::Study(Corpus texts, Grid combinations) : corpus(std::move(texts)), grid(std::move(combinations)) {
  for (std::size_t i = 0; i < grid.feature_combinations(); ++i) features.emplace_back(corpus, grid.feature_parameters(i));
}

Outcome evaluate(Task task) {
  using Clock = std::chrono::steady_clock;
  const auto begin = Clock::now();
  const std::clock_t cpu_begin = std::clock();
  commit(task.sabotage);
  const Grid::Combination chosen = current_study->grid.at(task.number);
  Outcome outcome{};
  outcome.number = task.number;
  outcome.score = cross_validate(current_study->features[chosen.features], chosen.topic, chosen.model);
  const std::string name = ipc::current_process().name();
  name.copy(outcome.worker.data(), outcome.worker.size() - 1);
  outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  outcome.cpu_seconds = static_cast<double>(std::clock() - cpu_begin) / CLOCKS_PER_SEC;
  return outcome;
}

}  // namespace grid_search
