#include "ipc/os/socket.hpp"

#include <sys/socket.h>

#include <array>
#include <cstring>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

constexpr std::size_t max_fds_per_packet = 253;  // SCM_MAX_FD of the kernel, not exported to user space.
constexpr std::size_t control_size = CMSG_SPACE(sizeof(int) * max_fds_per_packet);

}  // namespace

std::pair<Fd, Fd> packet_socket_pair() {
  std::array<int, 2> ends{};
  check("socketpair", [&] { return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()); });
  return {Fd(ends[0]), Fd(ends[1])};
}

SendStatus send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds, bool block) {
  if (fds.size() > max_fds_per_packet) throw std::system_error(EINVAL, std::generic_category(), "sendmsg: more than 253 descriptors");
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, control_size> control;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  const int flags = MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT);
  if (retry([&] { return ::sendmsg(socket, &message, flags); }) >= 0) return SendStatus::sent;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return SendStatus::would_block;
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return SendStatus::closed;
  throw std::system_error(errno, std::generic_category(), "sendmsg");
}

ReceivedPacket receive_packet(int socket, std::span<std::byte> buffer, std::vector<Fd>& fds, bool block) {
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) std::array<std::byte, control_size> control;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  const int flags = MSG_CMSG_CLOEXEC | (block ? 0 : MSG_DONTWAIT);
  auto size = retry([&] { return ::recvmsg(socket, &message, flags); });
  // A peer that closes with packets unread leaves this error once, before what it had sent itself.
  if (size < 0 && errno == ECONNRESET) size = retry([&] { return ::recvmsg(socket, &message, flags); });
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {ReceiveStatus::would_block, 0};
    if (errno == ECONNRESET) return {ReceiveStatus::closed, 0};
    throw std::system_error(errno, std::generic_category(), "recvmsg");
  }
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0) {
    throw std::system_error(EMFILE, std::generic_category(),
                            "recvmsg: the kernel dropped descriptors sent to this process because it is at its limit (ulimit -n)");
  }
  if ((message.msg_flags & MSG_TRUNC) != 0)
    throw std::system_error(EMSGSIZE, std::generic_category(), "recvmsg: the packet is larger than the buffer");
  if (size == 0) return {ReceiveStatus::closed, 0};
  return {ReceiveStatus::received, static_cast<std::size_t>(size)};
}

}  // namespace ipc::os
