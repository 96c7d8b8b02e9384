#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "corpus.hpp"

namespace grid_search {

enum class Weight : std::uint8_t { binary, sublinear, tf_idf };

/// How a text becomes numbers.
struct FeatureParameters {
  int longest_ngram;  // 1: single words; 2: pairs of neighbours as well
  int hash_bits;      // 2 to the power of this many columns
  Weight weight;
};

/// A sparse matrix in compressed rows, a row for each text of the corpus: all entries lie in one array, row by row, so
/// that a worker which goes over the rows reads memory in order. Rows have length 1. Immutable once made: the forked
/// workers read the parent's copy, and since nobody writes, the kernel never has to copy a page.
class FeatureMatrix {
 public:
  struct Entry {
    std::uint32_t column;
    float value;
  };

  FeatureMatrix(const Corpus& corpus, const FeatureParameters& parameters);

  std::span<const Entry> row(std::size_t text) const {
    return {entries_.data() + row_begin_[text], entries_.data() + row_begin_[text + 1]};
  }
  std::size_t columns() const { return columns_; }
  std::size_t bytes() const { return entries_.size() * sizeof(Entry); }

 private:
  std::size_t columns_;
  std::vector<Entry> entries_;
  std::vector<std::size_t> row_begin_;
};

}  // namespace grid_search
