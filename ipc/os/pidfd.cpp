#include "ipc/os/pidfd.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

// By number: glibc has wrappers only since 2.36. The numbers are the same on every architecture.
constexpr long sys_pidfd_send_signal = 424;
constexpr long sys_pidfd_open = 434;
constexpr long sys_pidfd_getfd = 438;

}  // namespace

Fd open_pidfd(pid_t pid) {
  // Always close-on-exec.
  const auto fd = retry([&] { return ::syscall(sys_pidfd_open, pid, 0); });
  if (fd >= 0) return Fd(static_cast<int>(fd));
  if (errno == ESRCH) return Fd();
  throw std::system_error(errno, std::generic_category(), "pidfd_open");
}

Fd open_parent_pidfd(pid_t expected) {
  if (::getppid() != expected) return Fd();
  Fd parent = open_pidfd(expected);
  // While it is still the parent its pid was not used again, so the descriptor is its.
  if (::getppid() != expected) parent.reset();
  return parent;
}

bool signal_pidfd(int pidfd, int signum) {
  if (retry([&] { return ::syscall(sys_pidfd_send_signal, pidfd, signum, nullptr, 0); }) == 0) return true;
  if (errno == ESRCH) return false;
  throw std::system_error(errno, std::generic_category(), "pidfd_send_signal");
}

Fd fetch_descriptor(int pidfd, int number) noexcept {
  const auto fd = retry([&] { return ::syscall(sys_pidfd_getfd, pidfd, number, 0); });
  return fd < 0 ? Fd() : Fd(static_cast<int>(fd));
}

}  // namespace ipc::os
