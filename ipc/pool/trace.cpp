#include "ipc/pool/trace.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>

namespace ipc::pool {
namespace {

/// As a JSON string.
std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      std::array<char, 8> escape{};
      std::snprintf(escape.data(), escape.size(), "\\u%04x", static_cast<unsigned>(c));
      result += escape.data();
    } else {
      result += c;
    }
  }
  return result += '"';
}

/// In microseconds, to the nanosecond.
std::string microseconds(std::chrono::nanoseconds time) {
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%.3f", static_cast<double>(time.count()) / 1000);
  return text.data();
}

}  // namespace

Trace::Trace(const std::string& path, const std::string& pool_name, pid_t pid) : file_(path, std::ios::trunc), pid_(pid) {
  if (!file_) throw std::system_error(errno, std::generic_category(), "open " + path);
  file_ << '[';
  begin('M', 0, zero_) << R"("name":"process_name","args":{"name":)" << quoted(pool_name) << "}}";
}

Trace::~Trace() { file_ << "\n]\n"; }

void Trace::worker(std::size_t lane, std::string_view name, pid_t pid) {
  const std::string label = std::string(name) + " (pid " + std::to_string(pid) + ")";
  begin('M', lane, zero_) << R"("name":"thread_name","args":{"name":)" << quoted("worker " + std::to_string(lane)) << "}}";
  event(lane, label + " starts");
}

void Trace::task(std::size_t lane, const TaskRef& task, std::size_t job, TimePoint start, std::chrono::nanoseconds ran,
                 std::string_view outcome) {
  auto& out = begin('X', lane, start) << R"("dur":)" << microseconds(ran) << R"(,"cat":)" << quoted(outcome) << R"(,"name":"job )" << job
                                      << " [" << task.index;
  if (task.count != 1) out << ".." << task.index + task.count - 1;
  out << R"(]","args":{"job":)" << job << R"(,"task":)" << task.index << R"(,"count":)" << task.count << R"(,"outcome":)" << quoted(outcome)
      << "}}";
}

void Trace::event(std::size_t lane, std::string_view what) {
  begin('i', lane, TimePoint::clock::now()) << R"("s":"t","cat":"worker","name":)" << quoted(what) << "}";
}

std::ofstream& Trace::begin(char phase, std::size_t lane, TimePoint at) {
  file_ << (any_ ? ",\n" : "\n");
  any_ = true;
  file_ << R"({"ph":")" << phase << R"(","pid":)" << pid_ << R"(,"tid":)" << lane << R"(,"ts":)" << microseconds(at - zero_) << ',';
  return file_;
}

}  // namespace ipc::pool
