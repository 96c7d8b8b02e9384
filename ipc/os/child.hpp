#pragma once

#include <csignal>
#include <optional>

namespace ipc::os {

/// fork(2), after flushing what both sides would otherwise print. Returns 0 in the child. Throws `std::system_error`
/// (EAGAIN, ENOMEM). In a process with several threads the child has only the calling one: locks that others held stay
/// locked there for ever, except those of malloc and stdio, which the C library looks after.
pid_t fork_process();

/// Ends this process without running atexit handlers and destructors, which in a forked process are the parent's;
/// flushes the standard streams.
[[noreturn]] void exit_now(int status) noexcept;

/// To be called in a forked process, once and first. What it has inherited of atexit handlers and static objects stays the
/// parent's: however this process exits, what was registered or constructed since runs or is destroyed, then `last` is
/// called, and the process ends as by `exit_now`.
void disown_inherited_exit_handlers(void (*last)() noexcept);

/// Ends such a process as `std::exit` does, but leaves thread-local objects alone: those of the thread that forked would
/// be destroyed a second time here.
[[noreturn]] void exit_after_handlers(int status) noexcept;

/// Ends this process by SIGKILL.
[[noreturn]] void kill_self() noexcept;

struct Reaping {
  enum class State { running, ended, not_ours };
  State state = State::running;
  int exitcode = 0;  ///< When ended: the exit status, or the negated number of the signal.
};

/// Asks whether the child behind a pidfd has ended, and if so releases the kernel's record of it. `not_ours`: it has
/// ended and somebody else took its status (another thread's `waitpid(-1)`, an ignored SIGCHLD). Does not block.
Reaping reap(int pidfd);

struct EndedChild {
  pid_t pid;
  int exitcode;
};
/// Reaps any child that has ended: only for a process whose children all are ours. Does not block.
std::optional<EndedChild> reap_any();

/// Kills and reaps a child of which nobody knows yet.
void discard_child(pid_t pid) noexcept;

/// Has the kernel kill this process when its parent `parent` dies; ends it now if the parent is dead already.
/// SUBTLE: the signal comes when the *thread* that created this process ends. Only for children of main threads.
void die_with_parent(pid_t parent);

}  // namespace ipc::os
