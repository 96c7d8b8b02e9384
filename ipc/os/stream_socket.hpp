#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <span>
#include <system_error>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/fd.hpp>

#include "ipc/os/socket_address.hpp"

namespace ipc::os {

/// Stream sockets, unix and TCP. All are close-on-exec. One thread may send while another receives.

/// A socket of the address's family, bound to nothing. Accepting from it will not block; TCP ports in TIME_WAIT may be
/// bound again.
Fd make_listening_socket(const SocketAddress& address);
/// bind(2). Throws `std::system_error` (EADDRINUSE, EACCES…).
void bind_socket(int socket, const SocketAddress& address);
void start_listening(int socket, int backlog);
/// Where a socket is bound: with the port that the kernel picked.
SocketAddress bound_address(int socket);

enum class AcceptStatus : unsigned char {
  accepted,
  nobody,    ///< Nobody waits, or who waited has left.
  shortage,  ///< This process, or the machine, has no descriptor or memory for one more: `error` says which.
};
struct Accepted {
  AcceptStatus status = AcceptStatus::nobody;
  Fd socket;
  SocketAddress peer;
  std::error_code error;
};
/// The next client of a socket made by `make_listening_socket`. Never blocks. Throws `std::system_error` (EINVAL…).
Accepted accept_client(int listener);

/// A connected socket. Blocks until the deadline as long as the kernel tries: until a unix listener with a full backlog accepts,
/// and for minutes where a host does not answer. Throws `std::system_error` (ECONNREFUSED, ENOENT, ETIMEDOUT…).
Fd connect_stream(const SocketAddress& address, detail::Deadline deadline = detail::Deadline::never());

/// Ends both directions for everybody who has the socket open, so that the peer knows at once, whoever inherited it.
void shut_down(int socket) noexcept;

/// Whether descriptors can be sent through it: unix sockets only.
bool passes_descriptors(int socket);
/// Sends small messages at once (TCP_NODELAY); nothing on a unix socket.
void send_without_delay(int socket);
/// Lets as much be unread on a unix socket as the machine allows (net.core.wmem_max); nothing on a TCP socket, whose room grows by
/// itself.
void widen_send_room(int socket);
/// Has the kernel ask an idle peer's host for a sign of life, and end the connection when none has come for about so long; or
/// when the peer has taken nothing of what was sent for `busy_patience`, be its host lost or its process busy. Whole seconds, at
/// least three; nothing on a unix socket, which tells at once.
void notice_lost_host(int socket, std::chrono::nanoseconds patience, std::chrono::nanoseconds busy_patience);

struct PeerIdentity {
  pid_t pid = 0;
  unsigned user = 0;
};
/// Who connected the other end of a unix socket (SO_PEERCRED): the process and its effective user, at that time.
PeerIdentity peer_identity(int socket);
/// The effective user of this process.
unsigned current_user() noexcept;

enum class StreamStatus : unsigned char { moved, would_block, closed };
struct StreamResult {
  StreamStatus status = StreamStatus::closed;
  std::size_t size = 0;   ///< Bytes that were moved.
  bool lost_fds = false;  ///< Descriptors came that this process had no room for (EMFILE).
};
/// Sends a part of the bytes (at least one), the pieces one after the other, and beside the first of them at most 253
/// descriptors, which stay the caller's. At most four pieces. `closed` when the peer has gone, or its host (never SIGPIPE).
/// `would_block` also on a socket that somebody made non-blocking, whatever `block` is.
StreamResult send_stream(int socket, std::span<const std::span<const std::byte>> pieces, std::span<const int> fds = {}, bool block = true);
/// Receives into the buffer, which is not empty, as much as is there or, if `block`, all of it unless the stream ends.
/// Descriptors are appended to `fds`; without `fds` the kernel drops them. Throws `std::system_error`.
StreamResult receive_stream(int socket, std::span<std::byte> buffer, std::vector<Fd>* fds, bool block = true);

}  // namespace ipc::os
