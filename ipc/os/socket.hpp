#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <ipc/fd.hpp>

namespace ipc::os {

/// Unix-domain packet sockets: each `send_packet` arrives whole, with the descriptors sent beside it.
/// All are close-on-exec. Any thread may send or receive; packets do not mix.

/// A connected pair of AF_UNIX SOCK_SEQPACKET sockets.
std::pair<Fd, Fd> packet_socket_pair();

enum class SendStatus { sent, would_block, closed };

/// Sends one packet of at least one byte and at most 253 descriptors (SCM_MAX_FD), which stay the caller's.
/// `closed` when the peer has gone (never SIGPIPE). Blocks only if `block`.
SendStatus send_packet(int socket, std::span<const std::byte> bytes, std::span<const int> fds = {}, bool block = true);

enum class ReceiveStatus { received, would_block, closed };
struct ReceivedPacket {
  ReceiveStatus status = ReceiveStatus::closed;
  std::size_t size = 0;  ///< Bytes written to the buffer.
};

/// Receives one packet and appends its descriptors to `fds`. A packet larger than `buffer`, or descriptors that the
/// kernel dropped because this process is at its descriptor limit, throw `std::system_error` (EMSGSIZE, EMFILE).
ReceivedPacket receive_packet(int socket, std::span<std::byte> buffer, std::vector<Fd>& fds, bool block = true);

/// As `receive_packet` without blocking, but the packet stays: the same descriptors will come once more. When the kernel dropped
/// some, because this process is at its limit, they are still in the packet.
ReceivedPacket peek_packet(int socket, std::span<std::byte> buffer, std::vector<Fd>& fds);
/// The first bytes of the next packet, which stays, without its descriptors; does not block.
ReceivedPacket peek_bytes(int socket, std::span<std::byte> buffer);
/// Throws the next packet away, descriptors included; does not block. False when there is none.
bool drop_packet(int socket) noexcept;

/// Asks for room for about so many bytes of packets that were sent and not yet received; the system's limit holds.
void set_send_room(int socket, std::size_t bytes) noexcept;

}  // namespace ipc::os
