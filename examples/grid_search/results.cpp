#include "results.hpp"

#include <charconv>
#include <iomanip>
#include <sstream>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "bad_input.hpp"

namespace grid_search {
namespace {

constexpr const char* columns = "task,topic,longest_ngram,hash_bits,weight,loss,epochs,first_step,l2,r2,seconds,worker\n";

std::string header_of(const Study& study) {
  std::ostringstream out;
  out << "# grid_search results, format 1, grid " << study.grid.name << ", fingerprint " << std::hex << std::setfill('0') << std::setw(16)
      << fingerprint(study.grid, study.corpus) << '\n'
      << columns;
  return out.str();
}

// Nothing when `text` begins with something else.
template <class Number>
std::optional<Number> number_at_front(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() ? std::optional(number) : std::nullopt;
}

}  // namespace

ResultFile::ResultFile(std::filesystem::path path, const Study& study, Scores& scores) : path_(std::move(path)), study_(study) {
  const std::string header = header_of(study);
  read(header, scores);
  file_.open(path_, std::ios::app);
  if (!file_) throw BadInput("cannot write " + path_.string() + ": give --out a file in a folder where you may write.");
  if (std::filesystem::file_size(path_) == 0) file_ << header << std::flush;
}

void ResultFile::read(const std::string& header, Scores& scores) {
  if (!std::filesystem::exists(path_)) return;
  std::ifstream input(path_, std::ios::binary);
  std::ostringstream all;
  if (!std::filesystem::is_regular_file(path_) || !input || (input.peek() != EOF && !(all << input.rdbuf()))) {
    throw BadInput("cannot read " + path_.string() + ": give --out a file of results, or one that does not exist yet.");
  }
  const std::string content = all.str();
  const BadInput foreign(path_.string() + " was not written by a search of this grid over these texts: give --out another file.");

  // Even the header may be torn.
  const bool has_header = content.size() >= header.size();
  if (has_header ? !content.starts_with(header) : !header.starts_with(content)) throw foreign;
  const std::size_t complete = has_header ? content.rfind('\n') + 1 : 0;
  std::string_view rest = std::string_view(content).substr(0, complete);
  if (has_header) rest.remove_prefix(header.size());
  while (!rest.empty()) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(line.size() + 1);
    const auto task = number_at_front<std::size_t>(line);
    if (!task || *task >= scores.size()) throw foreign;
    const std::string head = row_head(*task);
    if (!line.starts_with(head)) throw foreign;
    const auto score = number_at_front<double>(line.substr(head.size()));
    if (!score) throw foreign;
    scores[*task] = score;
  }
  if (complete < content.size()) {
    had_torn_line_ = true;
    std::filesystem::resize_file(path_, complete);
  }
}

std::string ResultFile::row_head(std::size_t task) const {
  const Grid::Combination chosen = study_.grid.at(task);
  const FeatureParameters features = study_.grid.feature_parameters(chosen.features);
  std::ostringstream out;
  out << task << ',' << topics[chosen.topic] << ',' << features.longest_ngram << ',' << features.hash_bits << ','
      << to_string(features.weight) << ',' << to_string(chosen.model.loss) << ',' << chosen.model.schedule.epochs << ','
      << chosen.model.schedule.first_step << ',' << chosen.model.l2 << ',';
  return out.str();
}

void ResultFile::append(const Outcome& outcome) {
  std::ostringstream line;
  line << row_head(outcome.number) << std::setprecision(17) << outcome.score << ',' << std::setprecision(4) << outcome.seconds << ','
       << outcome.worker.data() << '\n';
  // The stream's buffer is larger than a line and empty: the flush is one write(2).
  file_ << line.str() << std::flush;
  if (!file_) throw std::runtime_error("cannot append to " + path_.string() + ": is the disk full?");
}

}  // namespace grid_search
