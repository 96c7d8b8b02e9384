#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "features.hpp"

namespace grid_search {

enum class Loss : std::uint8_t { squared, logistic, modified_huber };

/// How long and in what steps stochastic gradient descent runs.
struct Schedule {
  int epochs;
  float first_step;  // The step falls linearly from here to zero.
};

struct ModelParameters {
  Loss loss;
  Schedule schedule;
  float l2;
};

/// A linear regressor of how much a text belongs to a topic, from 0 to 1. A value.
class Model {
 public:
  /// Fits to the rows of `texts`. The same arguments give the same model: the order of the steps is pseudo-random from
  /// a fixed seed.
  Model(const FeatureMatrix& features, std::span<const std::uint32_t> texts, std::size_t topic, const ModelParameters& parameters);

  float belonging(std::span<const FeatureMatrix::Entry> row) const;

 private:
  float raw_score(std::span<const FeatureMatrix::Entry> row) const;
  // L2's part of a step. Done to all weights only when `scale_` threatens to leave what a float can divide by.
  void shrink(float factor);

  Loss loss_;
  // The weights are `scale_ * weights_[column]`: L2 shrinks all of them at each step by changing one number.
  float scale_ = 1;
  float bias_ = 0;
  std::vector<float> weights_;
};

/// R² of predictions of 0 or 1: the share of the variance that is explained. 1 is perfect, 0 is as good as always
/// saying the mean. It rewards honest probabilities, so that regressors tuned by it can be compared with one another.
class RSquared {
 public:
  void add(float predicted, bool belongs);
  double value() const;

 private:
  double error_ = 0;
  double count_ = 0;
  double belonging_ = 0;
};

/// R² over all training texts, each predicted by a model that was fitted without its fold of three.
double cross_validate(const FeatureMatrix& features, std::size_t topic, const ModelParameters& parameters);

}  // namespace grid_search
