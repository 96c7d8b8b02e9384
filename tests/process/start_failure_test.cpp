// A process that cannot be started for want of descriptors has not run, and can be started later with all that it was given.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <system_error>
#include <vector>

#include <ipc/connection.hpp>

#include "ipc/os/socket.hpp"
#include "ipc/process/go_ahead.hpp"
#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;

TEST_CASE("go-ahead: a process may begin when it is let go, not when who should do that has given up or died") {
  auto [ours, its] = os::packet_socket_pair();
  process::let_go(ours.get());
  CHECK(process::may_go(its, Fd()));
  Process dead([] {});
  dead.start();
  dead.join();
  CHECK_FALSE(process::may_go(its, Fd::duplicate_of(dead.sentinel())));
  process::let_go(ours.get());
  CHECK(process::may_go(its, Fd::duplicate_of(dead.sentinel())));
  ours.reset();
  CHECK_FALSE(process::may_go(its, Fd()));
  its.reset();
}

// The sanitizers look at memory through a pipe, and take a process without free descriptors for a broken one.
#ifndef __SANITIZE_ADDRESS__

namespace {

/// While it lives this process can have so many more descriptors.
class FewDescriptors {
 public:
  explicit FewDescriptors(int free) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit few{64, before_.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    for (int fd = 0; (fd = ::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0;) taken_.emplace_back(fd);
    for (int i = 0; i < free; ++i) taken_.pop_back();
  }
  FewDescriptors(const FewDescriptors&) = delete;
  FewDescriptors& operator=(const FewDescriptors&) = delete;
  ~FewDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  std::vector<Fd> taken_;
  rlimit before_{};
};

bool is_short_of_descriptors(Process& process) {
  try {
    process.start();
    return false;
  } catch (const std::system_error& e) {
    return e.code().value() == EMFILE;
  }
}

void nothing() {}
void tell(Fd to) { write_line(to, "ran"); }
void send_five(Connection to, Connection to_too) {
  to.send(5);
  to_too.send(6);
}

}  // namespace

TEST_CASE("start: a process whose start has thrown for want of descriptors has not run") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  // In a child, whose limit this is.
  Process p([method, to = std::move(in)] {
    Process first({.start_method = method}, nothing);  // The fork server is there from now on.
    first.start();
    first.join();
    int failures = 0;
    for (int free = 0; free < 4; ++free) {
      for (int i = 0; i < 5; ++i) {
        Process q({.start_method = method}, tell, to.duplicate());
        const FewDescriptors few(free);
        if (is_short_of_descriptors(q)) ++failures;
      }
    }
    return failures;
  });
  p.start();
  const std::size_t ran = read_all(out).size() / std::string("ran\n").size();
  p.join();
  REQUIRE(p.exitcode().has_value());
  CHECK(*p.exitcode() >= 5);
  CHECK(ran + static_cast<std::size_t>(*p.exitcode()) == 20);
}

TEST_CASE("start: after a failure for want of descriptors it can be started with the arguments that it was given") {
  const auto method = any_start_method();
  // In a child, whose limit this is.
  Process p([method] {
    auto [here, there] = Pipe();
    auto [here_too, there_too] = Pipe();
    Process q({.start_method = method}, send_five, std::move(there), std::move(there_too));
    int free = 0;
    do {
      const FewDescriptors few(free);
      if (!is_short_of_descriptors(q)) break;
    } while (++free < 8);
    if (free == 0) return 97;
    if (!q.pid()) q.start();
    return here.recv<int>() == 5 ? here_too.recv<int>() : 98;
  });
  p.start();
  p.join();
  CHECK(p.exitcode() == 6);
}

#endif
