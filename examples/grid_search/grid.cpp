#include "grid.hpp"

#include <sstream>
#include <utility>

namespace grid_search {
namespace {

// Takes the last digit off a number written in mixed bases: the tasks count through the grid like an odometer.
template <class Values>
const auto& digit(std::size_t& number, const Values& values) {
  const auto& value = values[number % values.size()];
  number /= values.size();
  return value;
}

}  // namespace

Grid Grid::full() {
  return {.name = "full",
          .longest_ngrams = {1, 2},
          .hash_bits = {12, 16, 20},
          .weights = {Weight::binary, Weight::sublinear, Weight::tf_idf},
          .losses = {Loss::squared, Loss::logistic, Loss::modified_huber},
          .schedules = {{4, 1.0F}, {12, 0.5F}, {36, 0.25F}},
          .l2_strengths = {1e-7F, 3e-7F, 1e-6F, 3e-6F, 1e-5F, 3e-5F, 1e-4F, 3e-4F, 1e-3F, 3e-3F, 1e-2F}};
}

Grid Grid::small() {
  return {.name = "small",
          .longest_ngrams = {1, 2},
          .hash_bits = {15},
          .weights = {Weight::sublinear, Weight::tf_idf},
          .losses = {Loss::modified_huber},
          .schedules = {{8, 1.0F}},
          .l2_strengths = {1e-5F, 1e-4F, 1e-3F}};
}

FeatureParameters Grid::feature_parameters(std::size_t combination) const {
  const Weight weight = digit(combination, weights);
  const int bits = digit(combination, hash_bits);
  return {.longest_ngram = digit(combination, longest_ngrams), .hash_bits = bits, .weight = weight};
}

Grid::Combination Grid::at(std::size_t task) const {
  Combination chosen{};
  chosen.model.l2 = digit(task, l2_strengths);
  chosen.model.schedule = digit(task, schedules);
  chosen.model.loss = digit(task, losses);
  chosen.features = task % feature_combinations();
  chosen.topic = task / feature_combinations();
  return chosen;
}

std::string Grid::describe(std::size_t task) const {
  const Combination chosen = at(task);
  const FeatureParameters features = feature_parameters(chosen.features);
  std::ostringstream out;
  out << (features.longest_ngram == 1 ? "words" : "words+pairs") << ", 2^" << features.hash_bits << " columns, "
      << to_string(features.weight) << ", " << to_string(chosen.model.loss) << ", " << chosen.model.schedule.epochs << " epochs from "
      << chosen.model.schedule.first_step << ", L2 " << chosen.model.l2;
  return out.str();
}

std::uint64_t fingerprint(const Grid& grid, const Corpus& corpus) {
  std::uint64_t hash = 0;
  for (const std::string& text : corpus.texts) hash = stable_hash(text, hash);
  for (std::size_t task = 0; task < grid.size(); ++task) hash = stable_hash(grid.describe(task), hash);
  return hash;
}

std::string to_string(Weight weight) {
  switch (weight) {
    case Weight::binary:
      return "binary";
    case Weight::sublinear:
      return "sublinear tf";
    case Weight::tf_idf:
      return "tf-idf";
  }
  return "?";
}

std::string to_string(Loss loss) {
  switch (loss) {
    case Loss::squared:
      return "squared";
    case Loss::logistic:
      return "logistic";
    case Loss::modified_huber:
      return "modified huber";
  }
  return "?";
}

}  // namespace grid_search
