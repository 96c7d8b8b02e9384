#pragma once

#include <span>

#include <ipc/detail/token.hpp>
#include <ipc/fd.hpp>

#include "ipc/process/birth.hpp"
#include "ipc/process/child.hpp"

namespace ipc::process {

/// Has this process's fork server make a child that runs `entry` with the message, in the folder where this process is now;
/// spawns the server at the first use, and again when it has died. It leaves when this process ends. If it is killed, exit
/// codes of children that have not ended become unknown, and those on a kernel leash are killed with it. Any thread.
Child fork_server_child(Birth birth, detail::Token entry, std::span<const std::byte> body, std::span<const Fd> fds);

/// The pid of the running server, 0 when there is none: for tests, which kill it.
pid_t fork_server_pid();

}  // namespace ipc::process
