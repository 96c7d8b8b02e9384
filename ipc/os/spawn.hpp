#pragma once

#include <csignal>

namespace ipc::os {

/// The number under which a spawned process finds the descriptor that it was given.
constexpr int spawned_fd = 3;

/// Executes this program afresh, with the arguments `argv0 argument "3"`. The new process has /dev/null for stdin, this
/// one's stdout and stderr, `fd` as descriptor 3, and no other descriptor. Throws `std::system_error`.
pid_t spawn_self(const char* argv0, const char* argument, int fd);

}  // namespace ipc::os
