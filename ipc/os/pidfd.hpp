#pragma once

#include <csignal>

#include <ipc/fd.hpp>

namespace ipc::os {

/// A descriptor for a process: readable once it has ended, and it never means another process that got the same pid.
/// Empty when there is no process `pid`. Throws `std::system_error` (EMFILE…).
///
/// NOTE: pids are used again. Call it only while `pid` cannot be: for a child that has not been reaped, or for the
/// parent, checking afterwards that it still is the parent.
Fd open_pidfd(pid_t pid);

/// A descriptor for the parent, empty when that is no longer `expected`.
Fd open_parent_pidfd(pid_t expected);

/// Sends a signal; false when the process is gone. Throws `std::system_error` (EPERM, EINVAL).
bool signal_pidfd(int pidfd, int signum);

/// A duplicate of descriptor `number` of that process (pidfd_getfd, Linux 5.6), close-on-exec. Empty when it has none, or has
/// ended, or when this process may not have it: who may is who may attach a debugger (ptrace(2)).
Fd fetch_descriptor(int pidfd, int number) noexcept;

}  // namespace ipc::os
