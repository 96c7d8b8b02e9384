#pragma once

#include <ipc/fd.hpp>

namespace ipc::os {

/// A descriptor that one thread makes readable to end another's poll. Close-on-exec.
Fd make_event_fd();
/// Makes it readable, until it is cleared.
void signal_event_fd(int fd) noexcept;
void clear_event_fd(int fd) noexcept;

}  // namespace ipc::os
