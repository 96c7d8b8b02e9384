#include <ipc/detail/progress_bar.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

#include "ipc/os/stdio.hpp"
#include "ipc/os/terminal.hpp"

namespace ipc::detail {
namespace {

constexpr std::size_t bar_width = 24;
constexpr auto redraw_interval = std::chrono::milliseconds(100);

template <class... Values>
std::string formatted(const char* format, Values... values) {
  const int size = std::snprintf(nullptr, 0, format, values...);
  std::string text(static_cast<std::size_t>(size), '\0');
  std::snprintf(text.data(), text.size() + 1, format, values...);
  return text;
}

/// "7.3 s", "4:05", "2:07:30"
std::string clock_text(double seconds) {
  const auto whole = static_cast<long>(seconds);
  if (whole < 60) return formatted("%.1f s", seconds);
  if (whole < 3600) return formatted("%ld:%02ld", whole / 60, whole % 60);
  return formatted("%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
}

}  // namespace

ProgressBar::ProgressBar(std::string label, std::size_t total)
    : label_(std::move(label)), total_(total), terminal_(os::stderr_is_terminal()) {
  if (terminal_) draw(0, start_);
}

ProgressBar::~ProgressBar() {
  if (terminal_ && !finished_) os::write_to_stderr("\n");
}

void ProgressBar::update(std::size_t done) {
  if (!terminal_ || finished_) return;
  const auto now = Clock::now();
  if (now - drawn_ >= redraw_interval) draw(done, now);
}

void ProgressBar::finish(std::size_t done) {
  if (std::exchange(finished_, true)) return;
  const auto now = Clock::now();
  if (terminal_) {
    draw(done, now);
    os::write_to_stderr("\n");
    return;
  }
  const double seconds = std::chrono::duration<double>(now - start_).count();
  std::string line = label_;
  if (!label_.empty()) line += ": ";
  line += std::to_string(done);
  if (total_ != 0) line.append(" of ").append(std::to_string(total_));
  line.append(" in ").append(clock_text(seconds));
  line += formatted(" (%.1f/s)\n", static_cast<double>(done) / std::max(seconds, 1e-9));
  os::write_to_stderr(line);
}

void ProgressBar::draw(std::size_t done, Clock::time_point now) {
  drawn_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done) / std::max(seconds, 1e-9);
  std::string line = "\r";
  if (!label_.empty()) line.append(label_).append(" ");
  if (total_ != 0) {
    const std::size_t filled = std::min(bar_width, done * bar_width / total_);
    line += formatted("%3zu%% [", std::min<std::size_t>(100, done * 100 / total_));
    line.append(filled, '#').append(bar_width - filled, '.').append("] ");
  }
  line += std::to_string(done);
  if (total_ != 0) line.append("/").append(std::to_string(total_));
  line.append("  ").append(clock_text(seconds));
  if (total_ != 0 && done != 0 && done < total_) line.append(" + ").append(clock_text(static_cast<double>(total_ - done) / rate));
  line += formatted("  %.1f/s", rate);
  // What an earlier, longer line left behind is overwritten.
  const std::size_t size = line.size();
  if (size < width_) line.append(width_ - size, ' ');
  width_ = size;
  os::write_to_stderr(line);
}

}  // namespace ipc::detail
