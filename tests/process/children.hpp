#pragma once

// What the children of these tests do, and how their parents look at it. Functions with plain arguments, so that every
// start method can run them.

#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>
#include <vector>

#include <ipc/fd.hpp>
#include <ipc/process.hpp>

#include "ipc/os/pipe.hpp"
#include "ipc/os/poll.hpp"
#include "tests/support/catch.hpp"

namespace ipc::test {

inline void write_line(const Fd& to, const std::string& text) {
  const std::string line = text + "\n";
  os::write_full(to.get(), std::as_bytes(std::span(line)));
}

/// Up to the newline, which is left out; what there was if the end comes first.
inline std::string read_line(const Fd& from) {
  std::string line;
  char c = 0;
  while (os::read_full(from.get(), std::as_writable_bytes(std::span(&c, 1))) == 1 && c != '\n') line.push_back(c);
  return line;
}

inline std::string read_all(const Fd& from) {
  std::string text;
  char c = 0;
  while (os::read_full(from.get(), std::as_writable_bytes(std::span(&c, 1))) == 1) text.push_back(c);
  return text;
}

/// True when every holder of the pipe's other end is gone, whoever they were. Waits for it.
inline void wait_for_hang_up(const Fd& pipe) { read_all(pipe); }

inline bool readable(int fd) { return os::wait_readable(fd, detail::Deadline::expired_already()); }

[[noreturn]] inline void sleep_for_ever() {
  for (;;) ::pause();
}

/// Says that it runs, then stays.
inline void stay(Fd started) {
  write_line(started, "started");
  sleep_for_ever();
}

inline StartMethod any_start_method() { return GENERATE(StartMethod::fork, StartMethod::spawn, StartMethod::forkserver); }

}  // namespace ipc::test
