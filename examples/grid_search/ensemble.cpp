#include "ensemble.hpp"

#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

namespace grid_search {
namespace {

std::size_t best_task(const Study& study, const Scores& scores, std::size_t topic) {
  const std::size_t begin = topic * study.grid.combinations();
  std::optional<std::size_t> best;
  for (std::size_t task = begin; task < begin + study.grid.combinations(); ++task) {
    if (scores[task] && (!best || *scores[task] > *scores[*best])) best = task;
  }
  if (!best) throw std::runtime_error(std::string("no combination was tried for ") + topics[topic]);
  return *best;
}

}  // namespace

Ensemble vote(const Study& study, const Scores& scores) {
  std::vector<std::uint32_t> training(Corpus::training_count());
  std::iota(training.begin(), training.end(), 0U);
  const std::size_t held_out = study.corpus.texts.size() - training.size();

  Ensemble ensemble{};
  ensemble.held_out = held_out;
  std::vector<std::size_t> winner(held_out, 0);
  std::vector<float> most(held_out, -1);
  for (std::size_t topic = 0; topic < topics.size(); ++topic) {
    Ensemble::Member& member = ensemble.members[topic];
    member.task = best_task(study, scores, topic);
    member.score = *scores[member.task];
    const Grid::Combination chosen = study.grid.at(member.task);
    const FeatureMatrix& features = study.features[chosen.features];
    const Model model(features, training, topic, chosen.model);
    RSquared score;
    for (std::size_t i = 0; i < held_out; ++i) {
      const std::size_t text = training.size() + i;
      const float belonging = model.belonging(features.row(text));
      score.add(belonging, Corpus::topic_of(text) == topic);
      if (belonging > most[i]) {
        most[i] = belonging;
        winner[i] = topic;
      }
    }
    member.held_out_score = score.value();
  }
  for (std::size_t i = 0; i < held_out; ++i) {
    if (winner[i] != Corpus::topic_of(training.size() + i)) continue;
    ++ensemble.right;
    ++ensemble.members[winner[i]].right;
  }
  return ensemble;
}

}  // namespace grid_search
