// Three stages, each with processes of its own: split text into words, measure each word, count the lengths. Small queues
// between them: a stage that is faster than the next one waits for it instead of filling memory.

#include <iostream>
#include <ipc/ipc.hpp>
#include <list>
#include <map>
#include <sstream>
#include <string>

void split(const ipc::Queue<std::string>& lines, const ipc::Queue<std::string>& words) {
  for (const std::string& line : lines) {
    std::istringstream in(line);
    for (std::string word; in >> word;) words.put(word);
  }
}

void measure(const ipc::Queue<std::string>& words, const ipc::Queue<std::size_t>& lengths) {
  for (const std::string& word : words) lengths.put(word.size());
}

void count(const ipc::Queue<std::size_t>& lengths) {
  std::map<std::size_t, int> counts;
  for (const std::size_t length : lengths) ++counts[length];
  for (const auto& [length, times] : counts) std::cout << times << " words of " << length << " letters\n";
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const ipc::Queue<std::string> lines(10);
  const ipc::Queue<std::string> words(10);
  const ipc::Queue<std::size_t> lengths(10);

  std::list<ipc::Process> splitters;
  for (int i = 0; i < 2; ++i) splitters.emplace_back(split, lines, words).start();
  std::list<ipc::Process> measurers;
  for (int i = 0; i < 2; ++i) measurers.emplace_back(measure, words, lengths).start();
  ipc::Process counter(count, lengths);
  counter.start();

  for (int i = 0; i < 500; ++i) lines.put("what goes in at one end of a pipeline comes out at the other");

  // The end travels down: each stage is told when the one before it has ended.
  lines.shutdown();
  for (ipc::Process& splitter : splitters) splitter.join();
  words.shutdown();
  for (ipc::Process& measurer : measurers) measurer.join();
  lengths.shutdown();
  counter.join();
}
