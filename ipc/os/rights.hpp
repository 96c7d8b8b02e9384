#pragma once

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include <ipc/fd.hpp>

namespace ipc::os {

/// SCM_MAX_FD of the kernel, not exported to user space.
inline constexpr std::size_t max_rights = 253;

/// Where the kernel puts descriptors (SCM_RIGHTS) that travel beside the bytes of one sendmsg(2) or recvmsg(2).
/// `message` refers to it until the call is done.
class RightsBuffer {
 public:
  /// Sends them along. Throws `std::system_error` (EINVAL) for more than `max_rights`.
  void attach(msghdr& message, std::span<const int> fds);
  /// Takes what comes.
  void expect(msghdr& message) noexcept;
  /// After recvmsg: appends what came to `fds`. False when the kernel dropped some because this process is at its limit of
  /// open descriptors.
  static bool collect(msghdr& message, std::vector<Fd>& fds);

 private:
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int) * max_rights)> bytes_;
};

}  // namespace ipc::os
