// Counts words in batches of text, and leaves a trace of who did what and when: open the file in https://ui.perfetto.dev.

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <ipc/ipc.hpp>

namespace {

using Counts = std::map<std::string, std::uint64_t>;

Counts words_of(const std::string& text) {
  Counts counts;
  std::istringstream in(text);
  for (std::string word; in >> word;) ++counts[word];
  return counts;
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const std::vector<std::string> lines{"the quick brown fox", "jumps over the lazy dog", "the end"};
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 300; ++i) texts.push_back(lines[i % lines.size()]);

  const auto file = std::filesystem::temp_directory_path() / ("words-" + std::to_string(ipc::current_process().pid()) + ".json");
  Counts total;
  {
    ipc::Pool pool(2);
    pool.trace(file);
    for (const Counts& counts : pool.imap_unordered(words_of, texts, {.chunksize = 10})) {
      for (const auto& [word, count] : counts) total[word] += count;
    }
    pool.close();
    pool.join();
  }
  std::cout << "the: " << total["the"] << ", fox: " << total["fox"] << '\n';

  std::ifstream trace(file);
  const std::string text(std::istreambuf_iterator<char>(trace), {});
  std::size_t slices = 0;
  for (auto at = text.find("\"ph\":\"X\""); at != std::string::npos; at = text.find("\"ph\":\"X\"", at + 1)) ++slices;
  std::cout << "slices in the trace: " << slices << '\n';
  std::filesystem::remove(file);
}
