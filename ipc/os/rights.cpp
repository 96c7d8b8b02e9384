#include "ipc/os/rights.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

namespace ipc::os {

void RightsBuffer::attach(msghdr& message, std::span<const int> fds) {
  if (fds.size() > max_rights) throw std::system_error(EINVAL, std::generic_category(), "sendmsg: more than 253 descriptors");
  if (fds.empty()) return;
  message.msg_control = bytes_.data();
  message.msg_controllen = CMSG_SPACE(fds.size_bytes());
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(fds.size_bytes());
  std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
}

void RightsBuffer::expect(msghdr& message) noexcept {
  message.msg_control = bytes_.data();
  message.msg_controllen = bytes_.size();
}

bool RightsBuffer::collect(msghdr& message, std::vector<Fd>& fds) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  return (message.msg_flags & MSG_CTRUNC) == 0;
}

}  // namespace ipc::os
