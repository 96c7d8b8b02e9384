#pragma once

#include <ipc/detail/deadline.hpp>
#include <ipc/fd.hpp>

namespace ipc::os {

/// A descriptor that becomes readable when a deadline has passed. Close-on-exec.
Fd make_timer_fd();
/// Readable from `deadline` on, and not before, whatever was set until now.
void set_timer_fd(int fd, detail::Deadline deadline);

}  // namespace ipc::os
