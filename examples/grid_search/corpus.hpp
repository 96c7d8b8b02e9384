#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace grid_search {

/// The files that are read, one topic each.
inline constexpr std::array<const char*, 8> topics = {"art",      "computers", "definitions", "men-women",
                                                      "politics", "science",   "songs-poems", "work"};
inline constexpr std::size_t texts_per_topic = 375;
/// Of these a fifth is held out: no choice is made with them, they only tell at the end how good the choices were.
inline constexpr std::size_t held_out_per_topic = texts_per_topic / 5;
inline constexpr std::size_t training_per_topic = texts_per_topic - held_out_per_topic;

/// The texts, dealt topic by topic: text `i` is of topic `i % 8`, so that every run of rows is stratified. The first
/// `training_count()` are for training, the rest is held out. Immutable once read.
struct Corpus {
  std::vector<std::string> texts;

  static std::size_t topic_of(std::size_t text) { return text % topics.size(); }
  static std::size_t training_count() { return training_per_topic * topics.size(); }
};

/// Reads `folder/TOPIC` for every topic, in the format of fortune(6): texts between lines that are a lone `%`. Empty
/// texts and repetitions are skipped, and of the rest those with the smallest hashes are taken: the same ones on every
/// machine, whatever the order of the file. Throws `BadInput`.
Corpus read_corpus(const std::filesystem::path& folder);

/// The same number for the same bytes on every machine and in every version (`std::hash` promises neither).
std::uint64_t stable_hash(std::string_view bytes, std::uint64_t seed = 0);

}  // namespace grid_search
