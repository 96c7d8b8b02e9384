#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "corpus.hpp"
#include "features.hpp"
#include "grid.hpp"

namespace grid_search {

/// What all tasks share, complete before the pool is made and unchanged afterwards.
struct Study {
  Corpus corpus;
  Grid grid;
  std::vector<FeatureMatrix> features;  // one for each of the grid's feature combinations

  Study(Corpus texts, Grid combinations);
};

/// Where `evaluate` finds the study. A worker is forked from a process that has set it, and so has the study in its
/// memory without a byte being sent; the kernel lets parent and workers share the pages as long as nobody writes.
extern const Study* current_study;

/// What a task should do instead of its work, to show what becomes of the others.
enum class Sabotage : std::uint8_t { none, throw_exception, segfault, kill };

struct Task {
  std::uint32_t number;  // in the grid
  Sabotage sabotage;
};

/// What comes back from a worker. Trivially copyable.
struct Outcome {
  std::uint32_t number;
  double score;                 // R² in cross-validation
  double seconds;               // that the worker was busy with it
  double cpu_seconds;           // of these, on a processor
  std::array<char, 24> worker;  // its name, ended by a zero
};

/// The task function: cross-validates one combination of `current_study`.
Outcome evaluate(Task task);

}  // namespace grid_search
