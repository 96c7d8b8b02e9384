#include "ipc/os/signals.hpp"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <ctime>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

void set_action(int signum, void (*action)(int)) noexcept {
  struct sigaction to {};
  to.sa_handler = action;
  ::sigaction(signum, &to, nullptr);
}

sigset_t only(int signum) noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, signum);
  return set;
}

bool is_pending(int signum) noexcept {
  sigset_t pending;
  ::sigpending(&pending);
  return ::sigismember(&pending, signum) == 1;
}

}  // namespace

SignalBlock::SignalBlock() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

SignalBlock::~SignalBlock() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

NoPipeSignal::NoPipeSignal() noexcept {
  const sigset_t pipe = only(SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  was_pending_ = is_pending(SIGPIPE);
}

NoPipeSignal::~NoPipeSignal() {
  // The signal of a write goes to the thread that writes.
  if (!was_pending_ && is_pending(SIGPIPE)) {
    const sigset_t pipe = only(SIGPIPE);
    const timespec at_once{};
    retry([&] { return ::sigtimedwait(&pipe, nullptr, &at_once); });
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

void drop_signal_handlers() noexcept {
  for (int signum = 1; signum < NSIG; ++signum) {
    struct sigaction current {};
    // The C library keeps two real-time signals to itself and refuses to say anything about them.
    if (::sigaction(signum, nullptr, &current) != 0) continue;
    const bool has_handler = (current.sa_flags & SA_SIGINFO) != 0 || (current.sa_handler != SIG_DFL && current.sa_handler != SIG_IGN);
    if (has_handler) set_action(signum, SIG_DFL);
  }
}

void ignore_signal(int signum) noexcept { set_action(signum, SIG_IGN); }
void default_signal(int signum) noexcept { set_action(signum, SIG_DFL); }

void unblock_all_signals() noexcept {
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

Fd child_signal_fd() {
  set_action(SIGCHLD, SIG_DFL);
  const sigset_t children = only(SIGCHLD);
  ::pthread_sigmask(SIG_BLOCK, &children, nullptr);
  return Fd(check("signalfd", [&] { return ::signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK); }));
}

void drain_signal_fd(int fd) noexcept {
  signalfd_siginfo info;
  while (retry([&] { return ::read(fd, &info, sizeof info); }) > 0) {
  }
}

}  // namespace ipc::os
