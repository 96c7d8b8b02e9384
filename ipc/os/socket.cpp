#include "ipc/os/socket.hpp"

#include <sys/socket.h>

#include <array>

#include "ipc/os/check.hpp"
#include "ipc/os/rights.hpp"

namespace ipc::os {

std::pair<Fd, Fd> packet_socket_pair() {
  std::array<int, 2> ends{};
  check("socketpair", [&] { return ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()); });
  return {Fd(ends[0]), Fd(ends[1])};
}

SendStatus send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds, bool block) {
  iovec part{const_cast<std::byte*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  RightsBuffer rights;
  rights.attach(message, fds);
  const int flags = MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT);
  if (retry([&] { return ::sendmsg(socket, &message, flags); }) >= 0) return SendStatus::sent;
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) return SendStatus::would_block;
  if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN) return SendStatus::closed;
  throw std::system_error(errno, std::generic_category(), "sendmsg");
}

namespace {

ReceivedPacket receive(int socket, std::span<std::byte> buffer, std::vector<Fd>& fds, int flags) {
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  RightsBuffer rights;
  rights.expect(message);
  auto size = retry([&] { return ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC); });
  // A peer that closes with packets unread leaves this error once, before what it had sent itself.
  if (size < 0 && errno == ECONNRESET) size = retry([&] { return ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC); });
  if (size < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {ReceiveStatus::would_block, 0};
    if (errno == ECONNRESET) return {ReceiveStatus::closed, 0};
    throw std::system_error(errno, std::generic_category(), "recvmsg");
  }
  if (!RightsBuffer::collect(message, fds)) {
    throw std::system_error(EMFILE, std::generic_category(),
                            "recvmsg: the kernel dropped descriptors sent to this process because it is at its limit (ulimit -n)");
  }
  if ((message.msg_flags & MSG_TRUNC) != 0)
    throw std::system_error(EMSGSIZE, std::generic_category(), "recvmsg: the packet is larger than the buffer");
  if (size == 0) return {ReceiveStatus::closed, 0};
  return {ReceiveStatus::received, static_cast<std::size_t>(size)};
}

}  // namespace

ReceivedPacket receive_packet(int socket, std::span<std::byte> buffer, std::vector<Fd>& fds, bool block) {
  return receive(socket, buffer, fds, block ? 0 : MSG_DONTWAIT);
}

ReceivedPacket peek_packet(int socket, std::span<std::byte> buffer, std::vector<Fd>& fds) {
  return receive(socket, buffer, fds, MSG_PEEK | MSG_DONTWAIT);
}

ReceivedPacket peek_bytes(int socket, std::span<std::byte> buffer) {
  const auto size = retry([&] { return ::recv(socket, buffer.data(), buffer.size(), MSG_PEEK | MSG_DONTWAIT); });
  if (size > 0) return {ReceiveStatus::received, static_cast<std::size_t>(size)};
  if (size == 0 || errno == ECONNRESET) return {ReceiveStatus::closed, 0};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {ReceiveStatus::would_block, 0};
  throw std::system_error(errno, std::generic_category(), "recv");
}

bool drop_packet(int socket) noexcept {
  std::byte first{};
  return retry([&] { return ::recv(socket, &first, 1, MSG_DONTWAIT); }) > 0;
}

void set_send_room(int socket, std::size_t bytes) noexcept {
  const int wanted = static_cast<int>(bytes);
  if (::setsockopt(socket, SOL_SOCKET, SO_SNDBUFFORCE, &wanted, sizeof wanted) != 0) {
    ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
  }
}

}  // namespace ipc::os
