#pragma once

#include <csignal>
#include <cstddef>

namespace ipc::os {

/// The memory, in bytes, that a process has resident at present; 0 when it has gone.
std::size_t resident_bytes(pid_t pid);

}  // namespace ipc::os
