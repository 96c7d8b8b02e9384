// Counts the system calls of a pipe, from outside: the process that uses it is traced.
#include <ipc/connection.hpp>

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdint>
#include <map>
#include <optional>
#include <thread>

#include "ipc/base/ticks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/shared.hpp"

using ipc::Connection;

namespace {

constexpr int messages = 20'000;

/// A system call that nobody else makes, for the beginning and the end of what is counted.
constexpr std::uint64_t mark_number = SYS_getpgid;
void mark() { ::syscall(mark_number, 0); }

/// How often which system call was made between the two marks of `body`, by all threads of a process of its own. Nothing where
/// processes may not be traced.
template <class Body>
std::optional<std::map<std::uint64_t, int>> count_calls(Body body) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(1);
    ::raise(SIGSTOP);
    body();
    ::_exit(0);
  }
  int status = 0;
  if (::waitpid(child, &status, 0) != child || !WIFSTOPPED(status)) return std::nullopt;
  ::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
  ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
  std::map<std::uint64_t, int> calls;
  bool counting = false;
  for (pid_t who = 0; (who = ::waitpid(-1, &status, __WALL)) > 0;) {
    if (!WIFSTOPPED(status)) {
      if (who == child) break;
      continue;
    }
    if (WSTOPSIG(status) == (SIGTRAP | 0x80)) {
      __ptrace_syscall_info info{};
      if (::ptrace(PTRACE_GET_SYSCALL_INFO, who, sizeof info, &info) <= 0) ::kill(child, SIGKILL);
      if (info.op == PTRACE_SYSCALL_INFO_ENTRY) {
        if (info.entry.nr == mark_number)
          counting = !counting;
        else if (counting)
          ++calls[info.entry.nr];
      }
    }
    ::ptrace(PTRACE_SYSCALL, who, nullptr, nullptr);
  }
  CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
  return calls;
}

/// Counts the rounds of a loop that took longer than this thread alone needs: somebody else had its processor.
class Pauses {
 public:
  explicit Pauses(std::uint64_t ticks) : ticks_(ticks) {}
  void round() {
    const std::uint64_t now = ipc::base::ticks();
    count_ += now - last_ > ticks_ ? 1 : 0;
    last_ = now;
  }
  int count() const { return count_; }

 private:
  std::uint64_t ticks_;
  std::uint64_t last_ = ipc::base::ticks();
  int count_ = 0;
};

void exchange(Connection& from, Connection& to) {
  std::array<std::byte, 64> message{};
  from.send_bytes(message);
  if (to.recv_bytes_into(message) != message.size()) std::abort();
}

void check(const std::optional<std::map<std::uint64_t, int>>& calls, std::int64_t allowed) {
  if (!calls) {
    WARN("system calls cannot be counted: processes may not be traced here");
    return;
  }
  int sum = 0;
  for (const auto& [number, count] : *calls) {
    UNSCOPED_INFO("system call " << number << ": " << count);
    sum += count;
  }
  CHECK(sum <= allowed);
}

}  // namespace

TEST_CASE("Pipe: messages that are there cost no system call, and a sender looks at its peer only after a pause") {
  const auto shared = ipc::test::make_counters();
  auto& pauses = (*shared)[0];
  const auto calls = count_calls([&] {
    auto [a, b] = ipc::Pipe();
    // The first message finds nobody awake, as far as the pipe knows.
    exchange(a, b);
    exchange(b, a);
    Pauses seen(ipc::base::ticks_in_ten_microseconds() / 2);
    mark();
    for (int i = 0; i < messages; ++i) {
      exchange(a, b);
      exchange(b, a);
      seen.round();
    }
    mark();
    pauses.store(seen.count());
  });
  INFO("pauses: " << pauses.load());
  // Each of the two senders may have looked, before a pause that two rounds share and after it. And the second mark's own.
  check(calls, 4 * pauses.load());
}

TEST_CASE("Pipe: a conversation costs no system call while both sides are awake") {
  const auto shared = ipc::test::make_counters();
  auto& pauses = (*shared)[0];
  const auto calls = count_calls([&] {
    auto ends = ipc::Pipe();
    const auto converse = [&](Connection& end, bool first) {
      std::array<std::byte, 64> message{};
      // Less than anybody waits before going to sleep.
      Pauses seen(ipc::base::ticks_in_ten_microseconds() / 8);
      for (int i = 0; i < messages; ++i) {
        if (i == 1 && first) mark();
        if (first) end.send_bytes(message);
        end.recv_bytes_into(message);
        if (!first) end.send_bytes(message);
        if (i + 1 == messages && first) mark();
        seen.round();
      }
      pauses.fetch_add(seen.count());
    };
    std::thread other([&] { converse(ends.second, false); });
    converse(ends.first, true);
    other.join();
  });
  INFO("pauses: " << pauses.load() << " in " << 2 * messages);
  // Who sleeps asks for the bell, takes the one before out of the socket and polls; the other looks and rings; and each may
  // have begun what the other one's next pause explains.
  check(calls, 12 * (pauses.load() + 1));
}
