#include <ipc/fd.hpp>

#include <fcntl.h>
#include <unistd.h>

#include "ipc/os/check.hpp"

namespace ipc {

void Fd::reset() noexcept {
  // close(2) is not repeated after EINTR: on Linux the descriptor is gone by then.
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Fd Fd::duplicate_of(int fd) {
  return Fd(os::check("fcntl(F_DUPFD_CLOEXEC)", [&] { return ::fcntl(fd, F_DUPFD_CLOEXEC, 3); }));
}

}  // namespace ipc
