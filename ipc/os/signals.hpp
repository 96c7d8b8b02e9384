#pragma once

#include <csignal>

#include <ipc/fd.hpp>

namespace ipc::os {

/// Blocks every signal of this thread for a scope: for the moments around a fork in which neither the parent's handlers
/// nor the default action may run in the child. The destructor restores the mask, in parent and child alike.
class SignalBlock {
 public:
  SignalBlock();
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;
  ~SignalBlock();

 private:
  sigset_t before_;
};

/// Keeps SIGPIPE from this thread for a scope, in which writes to a pipe that nobody reads fail with EPIPE alone. A signal
/// that was pending before still is afterwards.
class NoPipeSignal {
 public:
  NoPipeSignal() noexcept;
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;
  ~NoPipeSignal();

 private:
  sigset_t before_;
  bool was_pending_ = false;
};

/// Gives every signal that has a handler its default action: in a process which runs none of the code that the handlers
/// were written for. Ignored signals stay ignored.
void drop_signal_handlers() noexcept;
void ignore_signal(int signum) noexcept;
void default_signal(int signum) noexcept;
/// Lets every signal through to this thread.
void unblock_all_signals() noexcept;
/// A descriptor that becomes readable when a child ends; blocks SIGCHLD in this thread and gives it its default action
/// (were it ignored, the kernel would throw the children's statuses away).
Fd child_signal_fd();
/// Empties such a descriptor.
void drain_signal_fd(int fd) noexcept;

}  // namespace ipc::os
