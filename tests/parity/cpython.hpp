#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <ipc/fd.hpp>

#include "tests/support/fork_child.hpp"

namespace ipc::test {

/// A python3 that was found on this machine.
struct Python {
  std::string program;
  int minor = 0;  // Of version 3.
  std::string version;
};

/// What a command prints.
inline std::string output_of(const std::string& command) {
  std::FILE* pipe = ::popen(command.c_str(), "re");
  if (pipe == nullptr) return {};
  std::string text;
  std::array<char, 256> buffer{};
  while (std::fgets(buffer.data(), buffer.size(), pipe) != nullptr) text += buffer.data();
  ::pclose(pipe);
  return text;
}

/// The system's python3 and all others from 3.12 on, each version once: the two handshakes that there are, and more.
inline std::vector<Python> find_pythons() {
  std::set<std::filesystem::path> programs;
  const auto add_below = [&](const std::filesystem::path& folder, const std::string& program) {
    std::error_code none;
    for (const auto& entry : std::filesystem::directory_iterator(folder, none)) programs.insert(entry.path() / program);
  };
  for (int minor = 12; minor < 20; ++minor) {
    programs.insert("/usr/bin/python3." + std::to_string(minor));
    programs.insert("/usr/local/bin/python3." + std::to_string(minor));
  }
  const char* home = std::getenv("HOME");
  const char* pyenv = std::getenv("PYENV_ROOT");
  if (pyenv != nullptr) add_below(std::filesystem::path(pyenv) / "versions", "bin/python3");
  if (home != nullptr) add_below(std::filesystem::path(home) / ".pyenv/versions", "bin/python3");
  std::vector<Python> pythons;
  std::set<std::string> versions;
  const auto add = [&](const std::filesystem::path& program, int least_minor) {
    if (!std::filesystem::exists(program)) return;
    const std::string version =
        output_of(program.string() + " -c 'import sys; print(*sys.version_info[:3], sep=\".\", end=\"\")' 2>/dev/null");
    if (!version.starts_with("3.")) return;
    const int minor = std::atoi(version.c_str() + 2);
    if (minor >= least_minor && versions.insert(version).second) pythons.push_back({program, minor, version});
  };
  add("/usr/bin/python3", 8);
  for (const auto& program : programs) add(program, 12);
  return pythons;
}

/// A running Python script, with a line in and a line out.
class PythonScript {
 public:
  PythonScript(const Python& python, const std::string& script) : PythonScript(python, script, make_pipe(), make_pipe()) {}

  /// What it prints next, without the line's end; empty at its end.
  std::string read_line() {
    std::string line;
    for (char c = 0; ::read(out_.get(), &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  void write_line(const std::string& line) {
    const std::string text = line + "\n";
    if (::write(in_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) throw std::runtime_error("the script has gone");
  }
  int wait() { return child_.wait(); }
  void kill() { child_.kill(); }

 private:
  struct Ends {
    Fd read;
    Fd write;
  };
  static Ends make_pipe() {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe2");
    return {Fd(ends[0]), Fd(ends[1])};
  }
  PythonScript(const Python& python, const std::string& script, Ends in, Ends out)
      : child_([&] {
          ::dup2(in.read.get(), STDIN_FILENO);
          ::dup2(out.write.get(), STDOUT_FILENO);
          ::execl(python.program.c_str(), python.program.c_str(), "-u", "-c", script.c_str(), static_cast<char*>(nullptr));
          return 98;
        }),
        in_(std::move(in.write)),
        out_(std::move(out.read)) {}

  ForkedChild child_;
  Fd in_;
  Fd out_;
};

}  // namespace ipc::test
