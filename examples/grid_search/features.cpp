#include "features.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <string>
#include <string_view>

namespace grid_search {
namespace {

// Words in lower case and single marks of punctuation, in order. Line breaks count as marks: verses have many, and a
// definition is one word, a colon and a line break.
std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> tokens;
  std::string word;
  const auto finish = [&] {
    if (!word.empty()) tokens.push_back(std::move(word));
    word.clear();
  };
  for (const char character : text) {
    const auto byte = static_cast<unsigned char>(character);
    if (std::isalnum(byte) != 0 || byte >= 0x80 || (byte == '\'' && !word.empty())) {
      word += static_cast<char>(std::tolower(byte));
    } else {
      finish();
      if (byte == '\n' || std::ispunct(byte) != 0) tokens.emplace_back(1, character);
    }
  }
  finish();
  return tokens;
}

// The columns that the text's n-grams are hashed to, sorted, one for each occurrence.
std::vector<std::uint32_t> columns_of(std::string_view text, const FeatureParameters& parameters) {
  const std::uint64_t mask = (std::uint64_t{1} << parameters.hash_bits) - 1;
  const std::vector<std::string> tokens = tokens_of(text);
  std::vector<std::uint32_t> columns;
  std::uint64_t previous = 0;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const std::uint64_t hash = stable_hash(tokens[i]);
    columns.push_back(static_cast<std::uint32_t>(hash & mask));
    if (parameters.longest_ngram > 1 && i > 0) {
      columns.push_back(static_cast<std::uint32_t>(stable_hash(tokens[i], previous) & mask));
    }
    previous = hash;
  }
  std::sort(columns.begin(), columns.end());
  return columns;
}

// One entry for each different column; its value is how often the column occurs.
std::vector<FeatureMatrix::Entry> counted(const std::vector<std::uint32_t>& columns) {
  std::vector<FeatureMatrix::Entry> entries;
  for (const std::uint32_t column : columns) {
    if (entries.empty() || entries.back().column != column) entries.push_back({column, 0});
    entries.back().value += 1;
  }
  return entries;
}

}  // namespace

FeatureMatrix::FeatureMatrix(const Corpus& corpus, const FeatureParameters& parameters) : columns_(std::size_t{1} << parameters.hash_bits) {
  std::vector<float> texts_with(columns_, 0);
  row_begin_.push_back(0);
  for (std::size_t text = 0; text < corpus.texts.size(); ++text) {
    for (const Entry& entry : counted(columns_of(corpus.texts[text], parameters))) {
      entries_.push_back(entry);
      // Rarity is learnt from the training texts alone: the held-out ones have to stay unseen.
      if (text < Corpus::training_count()) texts_with[entry.column] += 1;
    }
    row_begin_.push_back(entries_.size());
  }
  const auto training = static_cast<float>(Corpus::training_count());
  for (std::size_t text = 0; text < corpus.texts.size(); ++text) {
    const std::span<Entry> entries(entries_.data() + row_begin_[text], entries_.data() + row_begin_[text + 1]);
    float square = 0;
    for (Entry& entry : entries) {
      entry.value = parameters.weight == Weight::binary ? 1.0F : 1.0F + std::log(entry.value);
      if (parameters.weight == Weight::tf_idf) entry.value *= 1.0F + std::log((1 + training) / (1 + texts_with[entry.column]));
      square += entry.value * entry.value;
    }
    for (Entry& entry : entries) entry.value /= std::sqrt(square);
  }
}

}  // namespace grid_search
