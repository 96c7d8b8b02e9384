#pragma once

#include <array>
#include <cstddef>

#include "results.hpp"
#include "study.hpp"

namespace grid_search {

/// The tuned regressors and how they do on the texts that nobody has seen.
struct Ensemble {
  struct Member {
    std::size_t task;       // the best combination for the topic
    double score;           // its R² in cross-validation
    double held_out_score;  // R² on the held-out texts, fitted to all training texts
    std::size_t right;      // held-out texts of the topic for which the vote was right
  };
  std::array<Member, topics.size()> members;
  std::size_t held_out;  // texts
  std::size_t right;     // of these

  double accuracy() const { return static_cast<double>(right) / static_cast<double>(held_out); }
  /// What guessing always the same topic would reach.
  static double majority_accuracy() { return 1.0 / topics.size(); }
};

/// Chooses the best combination for each topic, fits it to all training texts, and lets the eight vote on the held-out
/// ones: a text is of the topic whose regressor says that it belongs the most. Needs a score for every topic.
Ensemble vote(const Study& study, const Scores& scores);

}  // namespace grid_search
