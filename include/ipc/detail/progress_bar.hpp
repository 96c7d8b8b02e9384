#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace ipc::detail {

/// A line on stderr that tells how far a loop is: redrawn in place on a terminal, at most ten times a second; elsewhere
/// only the closing line is written. One thread at a time.
class ProgressBar {
 public:
  /// `total` 0 is unknown.
  ProgressBar(std::string label, std::size_t total);
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;
  /// A loop that was left early leaves its bar as it was, on a line of its own.
  ~ProgressBar();

  void update(std::size_t done);
  /// Writes the closing line, once.
  void finish(std::size_t done);

 private:
  using Clock = std::chrono::steady_clock;
  void draw(std::size_t done, Clock::time_point now);

  std::string label_;
  std::size_t total_;
  bool terminal_;
  bool finished_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_{};
  std::size_t width_ = 0;
};

}  // namespace ipc::detail
