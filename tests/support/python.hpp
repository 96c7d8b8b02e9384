#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "tests/support/fork_child.hpp"

namespace ipc::test {

/// A CPython to try what the library says to it. Found: those that the environment's IPC_TEST_PYTHONS lists (with colons),
/// or else /usr/bin/python3 and what pyenv has, 3.9 and newer.
class Python {
 public:
  explicit Python(std::string program) : program_(std::move(program)) {}

  /// Runs `script` with the arguments (`sys.argv[1:]`), and returns its exit status; what it says on stderr is shown only if
  /// that is not 0.
  int run(const std::string& script, const std::vector<std::string>& arguments = {}) const {
    char log[] = "/tmp/ipc-test-python-XXXXXX";
    const int file = ::mkstemp(log);
    ForkedChild child([&] {
      ::dup2(file, STDERR_FILENO);
      std::vector<char*> argv{const_cast<char*>(program_.c_str()), const_cast<char*>("-c"), const_cast<char*>(script.c_str())};
      for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
      argv.push_back(nullptr);
      ::execv(program_.c_str(), argv.data());
      return 127;
    });
    const int status = child.wait();
    if (status != 0) {
      ::lseek(file, 0, SEEK_SET);
      char text[4096];
      for (ssize_t size = 0; (size = ::read(file, text, sizeof text)) > 0;) std::fwrite(text, 1, static_cast<std::size_t>(size), stderr);
    }
    ::close(file);
    ::unlink(log);
    return status;
  }
  const std::string& program() const { return program_; }

  static std::vector<Python> all() {
    std::vector<std::string> paths;
    if (const char* list = std::getenv("IPC_TEST_PYTHONS")) {
      std::stringstream parts(list);
      for (std::string path; std::getline(parts, path, ':');) paths.push_back(path);
    } else {
      paths.emplace_back("/usr/bin/python3");
      if (const char* home = std::getenv("HOME")) {
        std::error_code none;
        for (const auto& version : std::filesystem::directory_iterator(std::string(home) + "/.pyenv/versions", none)) {
          paths.push_back(version.path() / "bin/python3");
        }
      }
    }
    std::sort(paths.begin(), paths.end());
    std::vector<Python> found;
    for (const std::string& path : paths) {
      const Python python(path);
      std::error_code none;
      if (std::filesystem::exists(path, none) && python.run("import sys; sys.exit(sys.version_info < (3, 9))") == 0)
        found.push_back(python);
    }
    return found;
  }

 private:
  std::string program_;
};

}  // namespace ipc::test
