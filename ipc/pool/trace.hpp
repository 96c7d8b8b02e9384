#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>

#include "ipc/pool/ids.hpp"

namespace ipc::pool {

/// What a pool's workers did and when, written as it happens to a file in Chrome's trace format, which Perfetto and
/// chrome://tracing open: a lane for each worker and its successors, a slice for each task, an instant for whatever befell a
/// worker. The file is whole once this object has gone; what reads it forgives a missing end.
/// Guarded by the pool's lock. Errors of the disk are not reported.
class Trace {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  /// Throws `std::system_error` when the file cannot be written.
  Trace(const std::string& path, const std::string& pool_name, pid_t pid);
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;
  ~Trace();

  void worker(std::size_t lane, std::string_view name, pid_t pid);
  void task(std::size_t lane, const TaskRef& task, std::size_t job, TimePoint start, std::chrono::nanoseconds ran,
            std::string_view outcome);
  void event(std::size_t lane, std::string_view what);

 private:
  std::ofstream& begin(char phase, std::size_t lane, TimePoint at);

  std::ofstream file_;
  TimePoint zero_ = TimePoint::clock::now();
  pid_t pid_;
  bool any_ = false;
};

}  // namespace ipc::pool
