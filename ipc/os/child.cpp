#include "ipc/os/child.hpp"

#include <cstdlib>
#include <new>

#include <cxxabi.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ipc/os/check.hpp"
#include "ipc/os/stdio.hpp"

namespace ipc::os {
namespace {

constexpr auto by_pidfd = static_cast<idtype_t>(3);  // P_PIDFD, which glibc has only since 2.36; the kernel since 5.4.

int exitcode_of(int code, int status) noexcept { return code == CLD_EXITED ? status : -status; }

void (*last_before_exit)() noexcept = nullptr;
int status_after_handlers = 0;

void end_with(int status) noexcept {
  last_before_exit();
  exit_now(status);
}

}  // namespace

pid_t fork_process() {
  flush_standard_streams();
  return check("fork", [] { return ::fork(); });
}

void exit_now(int status) noexcept {
  flush_standard_streams();
  ::_exit(status);
}

void disown_inherited_exit_handlers(void (*last)() noexcept) {
  last_before_exit = last;
  // Handlers run in the reverse order of their registration, so the first one of this process shields it from the
  // inherited ones. Two of them: `std::exit` tells its status to the second alone, `__cxa_finalize` calls only the first.
  if (std::atexit([] { end_with(status_after_handlers); }) != 0 || ::on_exit([](int status, void*) { end_with(status); }, nullptr) != 0) {
    throw std::bad_alloc();
  }
}

void exit_after_handlers(int status) noexcept {
  status_after_handlers = status;
  abi::__cxa_finalize(nullptr);
  exit_now(status);
}

void kill_self() noexcept {
  ::kill(::getpid(), SIGKILL);
  for (;;) ::pause();  // Never reached but for the init process of a pid namespace, which cannot kill itself.
}

Reaping reap(int pidfd) {
  siginfo_t info{};
  if (retry([&] { return ::waitid(by_pidfd, static_cast<id_t>(pidfd), &info, WEXITED | WNOHANG); }) == 0) {
    if (info.si_pid == 0) return {};
    return {Reaping::State::ended, exitcode_of(info.si_code, info.si_status)};
  }
  if (errno == ECHILD) return {Reaping::State::not_ours, 0};
  throw std::system_error(errno, std::generic_category(), "waitid");
}

std::optional<EndedChild> reap_any() {
  siginfo_t info{};
  if (retry([&] { return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG); }) != 0 || info.si_pid == 0) return std::nullopt;
  return EndedChild{info.si_pid, exitcode_of(info.si_code, info.si_status)};
}

void discard_child(pid_t pid) noexcept {
  ::kill(pid, SIGKILL);
  siginfo_t info{};
  retry([&] { return ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED); });
}

void die_with_parent(pid_t parent) {
  check("prctl(PR_SET_PDEATHSIG)", [] { return ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); });
  // The parent may have died before the request: then no signal will come.
  if (::getppid() != parent) kill_self();
}

}  // namespace ipc::os
