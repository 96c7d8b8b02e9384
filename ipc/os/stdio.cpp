#include "ipc/os/stdio.hpp"

#include <fcntl.h>
#include <stdio_ext.h>
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "ipc/os/check.hpp"
#include "ipc/os/signals.hpp"

namespace ipc::os {
namespace {

void flush_stream(std::ostream& stream) noexcept {
  try {
    stream.flush();
  } catch (...) {  // Only when the program asked the stream to throw.
  }
}

}  // namespace

void flush_standard_streams() noexcept {
  const NoPipeSignal quiet;
  flush_stream(std::cout);
  flush_stream(std::cerr);
  flush_stream(std::clog);
  // Not all streams by fflush(nullptr): that waits for the lock of each, and a thread that waits for input in fgets or
  // std::cin holds one until a line comes.
  std::fflush(stdout);
  std::fflush(stderr);
}

void write_to_stderr(std::string_view text) noexcept {
  const NoPipeSignal quiet;
  [[maybe_unused]] const auto written = retry([&] { return ::write(STDERR_FILENO, text.data(), text.size()); });
}

void detach_stdin() noexcept {
  ::__fpurge(stdin);
  // An input that a program was started with is not close-on-exec. What is, was opened in its place: a socket of ours, say.
  const int flags = ::fcntl(STDIN_FILENO, F_GETFD);
  if (flags >= 0 && (flags & FD_CLOEXEC) != 0) return;
  ::close(STDIN_FILENO);
  // The lowest free number is 0 now. Without /dev/null stdin stays closed.
  const int fd = retry([] { return ::open("/dev/null", O_RDONLY); });
  if (fd > STDIN_FILENO) ::close(fd);
}

}  // namespace ipc::os
