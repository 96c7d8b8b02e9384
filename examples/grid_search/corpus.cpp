#include "corpus.hpp"

#include <algorithm>
#include <fstream>
#include <utility>

#include "bad_input.hpp"

namespace grid_search {
namespace {

// The texts of one file, each without the line breaks around it.
std::vector<std::string> read_texts(const std::filesystem::path& file) {
  std::ifstream input(file);
  if (!input) {
    throw BadInput("cannot read " + file.string() +
                   ": name the folder of the fortune files with --data (Debian's package 'fortunes' installs them).");
  }
  std::vector<std::string> texts;
  std::string text;
  const auto finish = [&] {
    const std::size_t begin = text.find_first_not_of(" \t\n");
    if (begin != std::string::npos) texts.push_back(text.substr(begin, text.find_last_not_of(" \t\n") + 1 - begin));
    text.clear();
  };
  for (std::string line; std::getline(input, line);) {
    if (line == "%") {
      finish();
    } else {
      text += line + '\n';
    }
  }
  if (input.bad()) throw BadInput("reading " + file.string() + " failed: check the file and the disk it is on.");
  finish();
  return texts;
}

std::vector<std::string> choose_texts(const std::filesystem::path& file) {
  std::vector<std::pair<std::uint64_t, std::string>> ranked;
  for (std::string& text : read_texts(file)) {
    const std::uint64_t rank = stable_hash(text);
    ranked.emplace_back(rank, std::move(text));
  }
  std::sort(ranked.begin(), ranked.end());
  ranked.erase(std::unique(ranked.begin(), ranked.end()), ranked.end());
  if (ranked.size() < texts_per_topic) {
    throw BadInput(file.string() + " has only " + std::to_string(ranked.size()) + " different texts and " +
                   std::to_string(texts_per_topic) + " are needed: give a folder with larger files.");
  }
  std::vector<std::string> chosen;
  for (std::size_t i = 0; i < texts_per_topic; ++i) chosen.push_back(std::move(ranked[i].second));
  return chosen;
}

}  // namespace

Corpus read_corpus(const std::filesystem::path& folder) {
  if (!std::filesystem::is_directory(folder)) {
    throw BadInput("there is no folder " + folder.string() + ": install Debian's package 'fortunes' or name another folder with --data.");
  }
  std::vector<std::vector<std::string>> by_topic;
  for (const char* topic : topics) by_topic.push_back(choose_texts(folder / topic));
  Corpus corpus;
  for (std::size_t i = 0; i < texts_per_topic; ++i) {
    for (std::vector<std::string>& texts : by_topic) corpus.texts.push_back(std::move(texts[i]));
  }
  return corpus;
}

std::uint64_t stable_hash(std::string_view bytes, std::uint64_t seed) {
  // FNV-1a, then a finaliser: the low bits alone choose a column, and those of FNV are weak for short words.
  std::uint64_t hash = 14695981039346656037U ^ seed;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211U;
  hash = (hash ^ (hash >> 32)) * 0xd6e8feb86659fd93U;
  return hash ^ (hash >> 32);
}

}  // namespace grid_search
