#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <thread>

#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;

namespace {

void return_nothing() {}
int return_number(int n) { return n; }
bool return_true() { return true; }
std::string return_text() { return "no exit code"; }
void exit_with(int n) { std::exit(n); }
void exit_now_with(int n) { ::_exit(n); }
void die_by(int signum) {
  std::signal(signum, SIG_DFL);
  ::raise(signum);
}
void throw_invalid_argument() { throw std::invalid_argument("wrong"); }

// What a process, whose fork server is its own, and its children write to a descriptor.
template <class Body>
std::string written_to(int number, Body body) {
  auto [out, in] = os::make_pipe();
  Process p([=, to = std::move(in)]() mutable {
    ::dup2(to.get(), number);
    to.reset();
    body();
  });
  p.start();
  return read_all(out);
}

template <class... Args>
std::optional<int> exitcode_of(StartMethod method, Args... args) {
  Process p({.start_method = method}, args...);
  p.start();
  p.join();
  return p.exitcode();
}

}  // namespace

TEST_CASE("exitcode: what an int-returning target returns, modulo 256, and 0 for other targets") {
  const auto method = any_start_method();
  CHECK(exitcode_of(method, return_nothing) == 0);
  CHECK(exitcode_of(method, return_number, 0) == 0);
  CHECK(exitcode_of(method, return_number, 8) == 8);
  CHECK(exitcode_of(method, return_number, 255) == 255);
  CHECK(exitcode_of(method, return_number, 300) == 44);
  CHECK(exitcode_of(method, return_number, -1) == 255);
  CHECK(exitcode_of(method, return_true) == 0);
  CHECK(exitcode_of(method, return_text) == 0);
}

TEST_CASE("exitcode: the status of exit and _exit, and the negated number of a signal") {
  const auto method = any_start_method();
  CHECK(exitcode_of(method, exit_with, 7) == 7);
  CHECK(exitcode_of(method, exit_now_with, 300) == 44);
  CHECK(exitcode_of(method, die_by, SIGTERM) == -SIGTERM);
  CHECK(exitcode_of(method, die_by, SIGKILL) == -SIGKILL);
  CHECK(exitcode_of(method, die_by, SIGUSR1) == -SIGUSR1);
}

namespace {

std::string told_at_exit;

void tell(const std::string& what, int status) {
  static const struct Speaker {
    ~Speaker() { write_line(Fd::duplicate_of(STDOUT_FILENO), told_at_exit + " object"); }
  } speaker;
  told_at_exit += what;
  std::atexit([] { write_line(Fd::duplicate_of(STDOUT_FILENO), told_at_exit + " handler"); });
  if (status >= 0) std::exit(status);
}

}  // namespace

TEST_CASE("exit handlers and static objects of a process run at its end, and those that it has inherited do not") {
  const int status = GENERATE(-1, 3);
  for (const auto method : {StartMethod::fork, StartMethod::spawn, StartMethod::forkserver}) {
    INFO(static_cast<int>(method));
    CHECK(written_to(STDOUT_FILENO, [=] {
            std::atexit([] { write_line(Fd::duplicate_of(STDOUT_FILENO), told_at_exit + "parent"); });
            Process p({.start_method = method}, tell, "child", status);
            p.start();
            p.join();
            write_line(Fd::duplicate_of(STDOUT_FILENO), std::to_string(p.exitcode().value_or(99)));
          }) == "child handler\nchild object\n" + std::to_string(std::max(status, 0)) + "\nparent\n");
  }
}

TEST_CASE("a forked process that calls std::exit joins its children, although its parent has made the register of them") {
  Process first(return_nothing);
  first.start();
  first.join();
  auto [out, in] = os::make_pipe();
  Process p([to = std::move(in)]() mutable {
    static Process slow([to = std::move(to)] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      write_line(to, "child");
    });
    slow.start();
    std::exit(0);
  });
  p.start();
  p.join();
  CHECK(readable(out.get()));
  CHECK(read_line(out) == "child");
}

TEST_CASE("stderr: an exception that leaves the target is reported in one line, and the exit code is 1") {
  const auto method = any_start_method();
  CHECK(written_to(STDERR_FILENO, [=] {
          Process p({.name = "thrower", .start_method = method}, throw_invalid_argument);
          p.start();
          p.join();
          write_line(Fd::duplicate_of(STDERR_FILENO), std::to_string(p.exitcode().value_or(99)));
        }) == "Process thrower: std::invalid_argument: wrong\n1\n");
  CHECK(written_to(STDERR_FILENO, [=] {
          Process p({.name = "thrower", .start_method = method}, [] { throw 42; });
          p.start();
          p.join();
          write_line(Fd::duplicate_of(STDERR_FILENO), std::to_string(p.exitcode().value_or(99)));
        }) == "Process thrower: int: 42\n1\n");
}

TEST_CASE("stderr: also an exception that is no std::exception is reported with what it says") {
  const auto report_of = [](auto target) {
    return written_to(STDERR_FILENO, [=] {
      Process p({.name = "thrower"}, target);
      p.start();
    });
  };
  CHECK(report_of([] { throw "text"; }) == "Process thrower: const char*: text\n");
  CHECK(report_of([] { throw std::string("string"); }) == "Process thrower: std::string: string\n");
  CHECK(report_of([] { throw 'c'; }) == "Process thrower: char\n");
}

TEST_CASE("stderr: the exit code of an exception is 1 also where nobody reads what is reported") {
  const auto method = any_start_method();
  // In a child, whose own stderr this is.
  Process p([method] {
    auto [out, in] = os::make_pipe();
    ::dup2(in.get(), STDERR_FILENO);
    out.reset();
    return exitcode_of(method, throw_invalid_argument) == 1 ? 7 : 98;
  });
  p.start();
  p.join();
  CHECK(p.exitcode() == 7);
}

TEST_CASE("stdio: what a child prints by stdio or streams is flushed at its end, and what its parent had buffered is not printed twice") {
  const auto method = any_start_method();
  CHECK(written_to(STDOUT_FILENO, [=] {
          std::printf("parent\n");  // Stays in the buffer: stdout is a pipe.
          Process p({.start_method = method}, [] {
            std::printf("child by stdio\n");
            std::cout << "child by stream\n";
          });
          p.start();
          p.join();
        }) == "parent\nchild by stdio\nchild by stream\n");
}

TEST_CASE("error_on_stdio_flush: processes start and end although stdout and stderr are closed") {
  const auto method = any_start_method();
  // In a child, whose own outputs these are.
  Process p([method] {
    ::close(STDOUT_FILENO);
    ::close(STDERR_FILENO);
    Process q({.start_method = method}, return_number, 9);
    q.start();
    q.join();
    return q.exitcode().value_or(99);
  });
  p.start();
  p.join();
  CHECK(p.exitcode() == 9);
}

TEST_CASE("start: a thread that waits for input does not keep a process from starting") {
  auto [out, in] = os::make_pipe();
  // In a child, whose stdin this is: the thread holds the lock of C's stdin until a line comes.
  Process p([from = std::move(out)] {
    ::dup2(from.get(), STDIN_FILENO);
    std::thread([] { std::getchar(); }).detach();
    // The lock is taken when it cannot be had.
    while (::ftrylockfile(stdin) == 0) {
      ::funlockfile(stdin);
      std::this_thread::yield();
    }
    return exitcode_of(StartMethod::fork, return_number, 5).value_or(99);
  });
  p.start();
  p.join();
  CHECK(p.exitcode() == 5);
}

TEST_CASE("exit: at its end a process terminates its daemons and waits for its other children") {
  const auto method = any_start_method();
  const bool by_exit = GENERATE(false, true);
  auto [out, in] = os::make_pipe();
  auto [go_out, go_in] = os::make_pipe();
  Process p(
      {.start_method = method},
      [](Fd to, Fd go, bool exits) {
        // Their objects are never destroyed: only the end of the process looks after them.
        auto [started_out, started_in] = os::make_pipe();
        static auto* const daemon = new Process(
            {.daemon = true}, [](Fd started, Fd) { stay(std::move(started)); }, std::move(started_in), to.duplicate());
        daemon->start();
        write_line(to, read_line(started_out));
        static auto* const child = new Process(
            [](Fd end, Fd start) {
              read_line(start);
              write_line(end, "child ends");
            },
            to.duplicate(), std::move(go));
        child->start();
        to.reset();
        if (exits) std::exit(3);
      },
      std::move(in), std::move(go_out), by_exit);
  p.start();
  CHECK(read_line(out) == "started");
  write_line(go_in, "go");
  CHECK(read_all(out) == "child ends\n");  // And the daemon is gone, or the pipe would not end.
  p.join();
  CHECK(p.exitcode() == (by_exit ? 3 : 0));
}
