#include "ipc/os/event_fd.hpp"

#include <sys/eventfd.h>

#include "ipc/os/check.hpp"

namespace ipc::os {

Fd make_event_fd() {
  return Fd(check("eventfd", [] { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }));
}

// Neither can fail on a descriptor that is ours: a full counter is readable already, an empty one is clear.
void signal_event_fd(int fd) noexcept { ::eventfd_write(fd, 1); }

void clear_event_fd(int fd) noexcept {
  eventfd_t ignored = 0;
  ::eventfd_read(fd, &ignored);
}

}  // namespace ipc::os
