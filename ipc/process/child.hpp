#pragma once

#include <csignal>
#include <memory>
#include <optional>

#include <ipc/detail/deadline.hpp>
#include <ipc/fd.hpp>

namespace ipc::process {

/// A process somewhere below this one, however it was started: as a child of this process, or by a nursery or fork
/// server, which then is the one that reaps it and reports the status through a socket. Move-only; destroying it leaves
/// the process alone. Any thread may call anything at any time, except moving. An object that is inherited by a fork
/// must not be used on the other side.
class Child {
 public:
  /// What `poll` and `wait` give when the process has ended but nobody can know how: somebody else reaped it, or its
  /// nursery or fork server was killed.
  static constexpr int unknown_exitcode = 255;

  Child() noexcept;
  /// A child of this process. An empty `pidfd` says that it has ended and was reaped by somebody else already.
  Child(pid_t pid, Fd pidfd);
  /// A child of another process, which sends the exit code (an `int`) through the socket `status`, and alone holds its
  /// other end.
  Child(pid_t pid, Fd pidfd, Fd status);
  Child(Child&&) noexcept;
  Child& operator=(Child&&) noexcept;
  ~Child();

  explicit operator bool() const noexcept { return state_ != nullptr; }
  pid_t pid() const noexcept;
  /// Readable once the process has ended. Close-on-exec, and owned by this object.
  int pidfd() const noexcept;
  /// The exit code if the process has ended: its status, or the negated number of the signal.
  std::optional<int> poll();
  std::optional<int> wait(detail::Deadline deadline);
  /// True when it has ended and the exit code is not known (then `poll` says 255).
  bool status_lost() const;
  /// No error if the process is gone.
  void signal(int signum);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ipc::process
