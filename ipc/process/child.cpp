#include "ipc/process/child.hpp"

#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "ipc/os/child.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/pipe.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/socket.hpp"

namespace ipc::process {

struct Child::State {
  State(pid_t pid_in, Fd pidfd_in, Fd status_in) : pid(pid_in), pidfd(std::move(pidfd_in)), status(std::move(status_in)) {
    if (pidfd) return;
    set(unknown_exitcode, true);
    pidfd = os::make_pipe().first;  // At its end from the start: readable for ever.
  }

  void set(int code, bool is_lost) {
    lost = is_lost;
    exitcode = code;
  }

  /// Call with the mutex held, when the process is known to have ended. Whoever reaps it does so at once, so this wait
  /// is short; if the reaper dies the socket hangs up.
  void read_status() {
    int code = unknown_exitcode;
    std::vector<Fd> none;
    const auto packet = os::receive_packet(status.get(), std::as_writable_bytes(std::span(&code, 1)), none);
    set(code, packet.status == os::ReceiveStatus::closed);
    status.reset();
  }

  const pid_t pid;
  Fd pidfd;
  std::mutex mutex;  // Guards what follows, and that only one thread reaps.
  Fd status;
  std::optional<int> exitcode;
  bool lost = false;
};

Child::Child() noexcept = default;
Child::Child(pid_t pid, Fd pidfd) : state_(std::make_unique<State>(pid, std::move(pidfd), Fd())) {}
Child::Child(pid_t pid, Fd pidfd, Fd status) : state_(std::make_unique<State>(pid, std::move(pidfd), std::move(status))) {}
Child::Child(Child&&) noexcept = default;
Child& Child::operator=(Child&&) noexcept = default;
Child::~Child() = default;

pid_t Child::pid() const noexcept { return state_ ? state_->pid : 0; }
int Child::pidfd() const noexcept { return state_ ? state_->pidfd.get() : -1; }

std::optional<int> Child::poll() {
  const std::lock_guard lock(state_->mutex);
  if (state_->exitcode) return state_->exitcode;
  if (state_->status) {
    // The pidfd is asked, not the socket: when the reaper is killed the socket hangs up although the process may live on.
    if (os::wait_readable(state_->pidfd.get(), detail::Deadline::expired_already())) state_->read_status();
    return state_->exitcode;
  }
  const os::Reaping reaping = os::reap(state_->pidfd.get());
  if (reaping.state == os::Reaping::State::ended) state_->set(reaping.exitcode, false);
  if (reaping.state == os::Reaping::State::not_ours) state_->set(unknown_exitcode, true);
  return state_->exitcode;
}

std::optional<int> Child::wait(detail::Deadline deadline) {
  if (auto exitcode = poll()) return exitcode;
  // Without the mutex: others may ask and signal meanwhile.
  while (os::wait_readable(state_->pidfd.get(), deadline)) {
    if (auto exitcode = poll()) return exitcode;
  }
  return std::nullopt;
}

bool Child::status_lost() const {
  const std::lock_guard lock(state_->mutex);
  return state_->lost;
}

void Child::signal(int signum) {
  if (!status_lost()) os::signal_pidfd(state_->pidfd.get(), signum);
}

}  // namespace ipc::process
