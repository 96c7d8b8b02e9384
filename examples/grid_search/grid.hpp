#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "features.hpp"
#include "model.hpp"

namespace grid_search {

/// All combinations of the values below, for every topic. A task is a number from 0 to `size()`, and so are the
/// combinations of feature parameters: numbers are all that travels to the workers. A value.
struct Grid {
  std::string name;
  std::vector<int> longest_ngrams;
  std::vector<int> hash_bits;
  std::vector<Weight> weights;
  std::vector<Loss> losses;
  std::vector<Schedule> schedules;
  std::vector<float> l2_strengths;

  /// 1,782 combinations.
  static Grid full();
  /// A few of the full grid's, for a look and for tests.
  static Grid small();

  std::size_t feature_combinations() const { return longest_ngrams.size() * hash_bits.size() * weights.size(); }
  std::size_t combinations() const { return feature_combinations() * losses.size() * schedules.size() * l2_strengths.size(); }
  std::size_t size() const { return combinations() * topics.size(); }

  FeatureParameters feature_parameters(std::size_t combination) const;

  struct Combination {
    std::size_t topic;
    std::size_t features;
    ModelParameters model;
  };
  Combination at(std::size_t task) const;

  /// The combination in words: `words+pairs, 2^16 columns, tf-idf, logistic, 12 epochs from 0.5, L2 1e-06`.
  std::string describe(std::size_t task) const;
};

/// Identifies grid and texts: results belong together when it is equal.
std::uint64_t fingerprint(const Grid& grid, const Corpus& corpus);

std::string to_string(Weight weight);
std::string to_string(Loss loss);

}  // namespace grid_search
