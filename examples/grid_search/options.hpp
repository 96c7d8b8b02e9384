#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace grid_search {

/// The command line.
struct Options {
  std::filesystem::path data = "/usr/share/games/fortunes";
  int processes;  // as many as there are processors
  std::string grid = "full";
  std::filesystem::path out;    // empty: results are not kept
  std::filesystem::path trace;  // empty: no trace
  bool sabotage = false;
};

/// Nothing when help was asked for and has been printed. Throws `BadInput`.
std::optional<Options> parse_options(int argc, char** argv);

}  // namespace grid_search
