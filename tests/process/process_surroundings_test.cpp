// What a child has of its parent, and what others do to children behind this library's back.
#include <fcntl.h>
#include <sys/wait.h>

#include <cerrno>
#include <filesystem>
#include <list>

#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;

namespace {

void nothing() {}

void read_stdin(Fd out) {
  char c = 0;
  write_line(out, "stdin gives " + std::to_string(::read(STDIN_FILENO, &c, 1)));
}

int count_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

int threads_of_this_process() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) ++count;
  return count;
}

}  // namespace

TEST_CASE("child_fd_inflation: a child has as many descriptors whether it has siblings or not") {
  const auto method = GENERATE(StartMethod::spawn, StartMethod::forkserver);
  const auto report = [](Fd to) { write_line(to, std::to_string(count_descriptors())); };
  auto [out, in] = os::make_pipe();
  Process alone({.start_method = method}, report, in.duplicate());
  alone.start();
  alone.join();
  std::list<Process> siblings;
  for (int i = 0; i < 5; ++i)
    siblings.emplace_back(ProcessOptions{.daemon = true, .start_method = method}, [] { sleep_for_ever(); }).start();
  Process among({.start_method = method}, report, in.duplicate());
  among.start();
  among.join();
  const std::string first = read_line(out);
  CHECK(first == read_line(out));
}

TEST_CASE("close_fds: a process that is not forked from this one inherits no stray descriptor") {
  const auto method = GENERATE(StartMethod::spawn, StartMethod::forkserver);
  const Fd stray(::dup(STDERR_FILENO));  // Without close-on-exec.
  REQUIRE(stray.get() > 2);
  auto [out, in] = os::make_pipe();
  const int high = ::dup2(stray.get(), 200);
  Process p(
      {.start_method = method},
      [](Fd to, int number) { write_line(to, ::fcntl(number, F_GETFD) == -1 && errno == EBADF ? "closed" : "open"); }, std::move(in), high);
  p.start();
  CHECK(read_line(out) == "closed");
  ::close(high);
}

TEST_CASE("stdin: every child reads from /dev/null") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process p({.start_method = method}, read_stdin, std::move(in));
  p.start();
  CHECK(read_line(out) == "stdin gives 0");
}

TEST_CASE("stdin: a descriptor that was opened in the place of a closed stdin stays what it is") {
  // In a child, whose stdin this is.
  Process p([] {
    ::close(STDIN_FILENO);
    auto [out, in] = os::make_pipe();
    if (out.get() != STDIN_FILENO) return 98;
    write_line(in, "text");
    Process q([&out = out] { return read_line(out) == "text" ? 7 : 97; });
    q.start();
    q.join();
    return q.exitcode().value_or(99);
  });
  p.start();
  p.join();
  CHECK(p.exitcode() == 7);
}

TEST_CASE("working folder: every child has the one that its parent has at the start, or where that is gone one of its own") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  // In a child, whose folder this is.
  Process p([method, to = std::move(in)] {
    const auto where = [](Fd end) {
      std::error_code gone;
      write_line(end, std::filesystem::current_path(gone).string());
    };
    const auto start = [&] {
      Process q({.start_method = method}, where, to.duplicate());
      q.start();
    };
    start();
    const auto base = std::filesystem::temp_directory_path() / ("ipc-folder-" + std::to_string(::getpid()));
    std::filesystem::create_directory(base);
    std::filesystem::current_path(base);
    start();
    write_line(to, base.string());
    std::filesystem::remove(base);
    start();
  });
  p.start();
  CHECK(read_line(out) == std::filesystem::current_path().string());
  const std::string second = read_line(out);
  CHECK(second == read_line(out));
  read_line(out);
  p.join();
  CHECK(p.exitcode() == 0);
}

#ifndef __SANITIZE_THREAD__  // That has a thread of its own in every process.
TEST_CASE("daemon: a daemon that the creating thread outlives has no thread of its own") {
  auto [out, in] = os::make_pipe();
  Process p(
      {.daemon = true}, [](Fd to) { write_line(to, std::to_string(threads_of_this_process())); }, std::move(in));
  p.start();
  CHECK(read_line(out) == "1");
}
#endif

TEST_CASE("SIGCHLD ignored: a process whose status nobody can know is not alive, and join returns") {
  const auto method = GENERATE(StartMethod::fork, StartMethod::spawn);
  struct sigaction before {};
  struct sigaction ignore {};
  ignore.sa_handler = SIG_IGN;
  ::sigaction(SIGCHLD, &ignore, &before);
  Process p({.start_method = method}, nothing);
  p.start();
  p.join();
  CHECK_FALSE(p.is_alive());
  CHECK_FALSE(p.exitcode().has_value());
  ::sigaction(SIGCHLD, &before, nullptr);
}

TEST_CASE("waitpid(-1): a process that somebody else has reaped is not alive, and join returns") {
  Process p([] { return 3; });
  p.start();
  int status = 0;
  while (::waitpid(-1, &status, 0) != *p.pid()) {
  }
  p.join();
  CHECK_FALSE(p.is_alive());
  CHECK_FALSE(p.exitcode().has_value());
  p.terminate();
}
