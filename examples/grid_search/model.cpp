#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace grid_search {
namespace {

constexpr std::size_t folds = 3;

// The derivative of the loss by the raw score. `target` is 1 for a text of the topic and -1 for another.
float gradient(Loss loss, float score, float target) {
  switch (loss) {
    case Loss::squared:
      return score - target;
    case Loss::logistic:
      return -target / (1 + std::exp(target * score));
    case Loss::modified_huber: {
      const float margin = target * score;
      if (margin >= 1) return 0;
      return margin >= -1 ? -2 * target * (1 - margin) : -4 * target;
    }
  }
  return 0;
}

// Steps that suit one loss suit the others once divided by the loss's greatest curvature.
float curvature(Loss loss) {
  switch (loss) {
    case Loss::squared:
      return 1;
    case Loss::logistic:
      return 0.25F;
    case Loss::modified_huber:
      return 2;
  }
  return 1;
}

// Fisher and Yates's shuffle over a xorshift generator: the same order with every standard library.
void shuffle(std::vector<std::uint32_t>& items, std::uint64_t& state) {
  for (std::size_t i = items.size(); i > 1; --i) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    std::swap(items[i - 1], items[state % i]);
  }
}

}  // namespace

Model::Model(const FeatureMatrix& features, std::span<const std::uint32_t> texts, std::size_t topic, const ModelParameters& parameters)
    : loss_(parameters.loss), weights_(features.columns(), 0.0F) {
  std::vector<std::uint32_t> order(texts.begin(), texts.end());
  std::uint64_t random = 88172645463325252U;
  const float first_step = parameters.schedule.first_step / curvature(loss_);
  const auto steps = static_cast<float>(order.size()) * static_cast<float>(parameters.schedule.epochs);
  float done = 0;
  for (int epoch = 0; epoch < parameters.schedule.epochs; ++epoch) {
    shuffle(order, random);
    for (const std::uint32_t text : order) {
      const float step = first_step * (1 - done++ / steps);
      const auto row = features.row(text);
      const float slope = gradient(loss_, raw_score(row), Corpus::topic_of(text) == topic ? 1.0F : -1.0F);
      shrink(1 - std::min(step * parameters.l2, 0.5F));
      if (slope == 0) continue;
      const float change = -step * slope / scale_;
      for (const auto& [column, value] : row) weights_[column] += change * value;
      bias_ -= 0.1F * step * slope;  // Every step moves it, but each weight only those of its texts.
    }
  }
}

void Model::shrink(float factor) {
  scale_ *= factor;
  if (scale_ > 1e-6F) return;
  for (float& weight : weights_) weight *= scale_;
  scale_ = 1;
}

float Model::raw_score(std::span<const FeatureMatrix::Entry> row) const {
  float sum = 0;
  for (const auto& [column, value] : row) sum += weights_[column] * value;
  return scale_ * sum + bias_;
}

float Model::belonging(std::span<const FeatureMatrix::Entry> row) const {
  const float score = raw_score(row);
  if (loss_ == Loss::logistic) return 1 / (1 + std::exp(-score));
  return (std::clamp(score, -1.0F, 1.0F) + 1) / 2;
}

void RSquared::add(float predicted, bool belongs) {
  const double difference = static_cast<double>(predicted) - (belongs ? 1 : 0);
  error_ += difference * difference;
  count_ += 1;
  belonging_ += belongs ? 1 : 0;
}

double RSquared::value() const { return 1 - error_ / (belonging_ * (1 - belonging_ / count_)); }

double cross_validate(const FeatureMatrix& features, std::size_t topic, const ModelParameters& parameters) {
  RSquared score;
  for (std::size_t fold = 0; fold < folds; ++fold) {
    // Texts are dealt by topic, so a fold takes whole rounds of the deal to have equally many texts of each.
    std::vector<std::uint32_t> fit;
    std::vector<std::uint32_t> judged;
    for (std::uint32_t text = 0; text < Corpus::training_count(); ++text) {
      (text / topics.size() % folds == fold ? judged : fit).push_back(text);
    }
    const Model model(features, fit, topic, parameters);
    for (const std::uint32_t text : judged) {
      score.add(model.belonging(features.row(text)), Corpus::topic_of(text) == topic);
    }
  }
  return score.value();
}

}  // namespace grid_search
