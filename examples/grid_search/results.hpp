#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "study.hpp"

namespace grid_search {

/// The score of each task, where it is known.
using Scores = std::vector<std::optional<double>>;

/// The CSV file of the results. One process writes, a whole line at a time and at once, so that whenever it is killed
/// all lines but the last are complete; the next run drops a torn last line and does that task again.
/// The first line names the grid and a fingerprint of it and the texts: results of another search are refused.
class ResultFile {
 public:
  /// Makes the file or opens it and reads the scores in it. Throws `BadInput` when it is anything else than a file of
  /// results of this grid.
  ResultFile(std::filesystem::path path, const Study& study, Scores& scores);

  /// Whether the last run was killed while it wrote.
  bool had_torn_line() const { return had_torn_line_; }
  void append(const Outcome& outcome);

 private:
  void read(const std::string& header, Scores& scores);
  // The columns that say what the task is; they have to agree with its number.
  std::string row_head(std::size_t task) const;

  std::filesystem::path path_;
  const Study& study_;
  std::ofstream file_;
  bool had_torn_line_ = false;
};

}  // namespace grid_search
