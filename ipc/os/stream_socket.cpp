#include "ipc/os/stream_socket.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include "ipc/os/check.hpp"
#include "ipc/os/rights.hpp"

namespace ipc::os {
namespace {

const sockaddr* raw(const SocketAddress& address) { return reinterpret_cast<const sockaddr*>(address.bytes().data()); }
socklen_t raw_size(const SocketAddress& address) { return static_cast<socklen_t>(address.bytes().size()); }

int family_of(int socket) {
  int family = AF_UNSPEC;
  socklen_t size = sizeof family;
  check("getsockopt(SO_DOMAIN)", [&] { return ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size); });
  return family;
}

template <class Call>
SocketAddress ask_address(const char* name, Call call) {
  alignas(sockaddr_storage) std::array<std::byte, sizeof(sockaddr_storage)> bytes{};
  socklen_t size = bytes.size();
  check(name, [&] { return call(reinterpret_cast<sockaddr*>(bytes.data()), &size); });
  return SocketAddress(std::span(bytes).first(std::min<std::size_t>(size, bytes.size())));
}

/// What says something about the client that is being accepted, not about the listener: accept(2), "Error handling".
bool concerns_client_only(int error) {
  switch (error) {
    case EAGAIN:
    case ECONNABORTED:
    case ENETDOWN:
    case EPROTO:
    case ENOPROTOOPT:
    case EHOSTDOWN:
    case ENONET:
    case EHOSTUNREACH:
    case EOPNOTSUPP:
    case ENETUNREACH:
    case ETIMEDOUT:
    case EPERM:
      return true;
    default:
      return false;
  }
}

/// The connection has ended: the peer, its host or the way there.
bool is_end(int error) {
  switch (error) {
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
      return true;
    default:
      return false;
  }
}

/// Zero: no limit.
void limit_sending(int socket, std::chrono::nanoseconds time) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  timeval limit{};
  limit.tv_sec = static_cast<time_t>(seconds.count());
  limit.tv_usec = static_cast<suseconds_t>(std::chrono::duration_cast<std::chrono::microseconds>(time - seconds).count());
  check("setsockopt(SO_SNDTIMEO)", [&] { return ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); });
}

bool is_shortage(int error) { return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM; }

}  // namespace

Fd make_listening_socket(const SocketAddress& address) {
  Fd socket(check("socket", [&] { return ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); }));
  if (address.is_tcp()) {
    const int on = 1;
    check("setsockopt(SO_REUSEADDR)", [&] { return ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); });
  }
  return socket;
}

void bind_socket(int socket, const SocketAddress& address) {
  check("bind", [&] { return ::bind(socket, raw(address), raw_size(address)); });
}

void start_listening(int socket, int backlog) {
  check("listen", [&] { return ::listen(socket, backlog); });
}

SocketAddress bound_address(int socket) {
  return ask_address("getsockname", [&](sockaddr* address, socklen_t* size) { return ::getsockname(socket, address, size); });
}

Accepted accept_client(int listener) {
  alignas(sockaddr_storage) std::array<std::byte, sizeof(sockaddr_storage)> bytes{};
  socklen_t size = bytes.size();
  Fd socket(retry([&] { return ::accept4(listener, reinterpret_cast<sockaddr*>(bytes.data()), &size, SOCK_CLOEXEC); }));
  if (socket) {
    const auto used = std::span(bytes).first(std::min<std::size_t>(size, bytes.size()));
    return {AcceptStatus::accepted, std::move(socket), SocketAddress(used), {}};
  }
  const std::error_code error(errno, std::generic_category());
  if (concerns_client_only(error.value())) return {};
  if (is_shortage(error.value())) return {AcceptStatus::shortage, Fd(), {}, error};
  throw std::system_error(error, "accept4");
}

Fd connect_stream(const SocketAddress& address, detail::Deadline deadline) {
  Fd socket(check("socket", [&] { return ::socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC, 0); }));
  // Repeating an interrupted call is right on Linux: it goes on waiting for the connection that is being made.
  const auto connect = [&] { return ::connect(socket.get(), raw(address), raw_size(address)); };
  if (deadline.is_never()) {
    check("connect", connect);
  } else {
    // The kernel's own time limit for sending holds for connecting as well, over both families.
    limit_sending(socket.get(), std::max<std::chrono::nanoseconds>(deadline.remaining(), std::chrono::microseconds(1)));
    if (retry(connect) != 0) {
      const bool late = errno == EAGAIN || errno == EINPROGRESS;
      throw std::system_error(late ? ETIMEDOUT : errno, std::generic_category(), "connect");
    }
    limit_sending(socket.get(), std::chrono::nanoseconds(0));
  }
  // SUBTLE: to a free port of this machine, TCP may connect a socket with itself.
  if (address.is_tcp() && bound_address(socket.get()) == ask_address("getpeername", [&](sockaddr* peer, socklen_t* size) {
                            return ::getpeername(socket.get(), peer, size);
                          })) {
    throw std::system_error(ECONNREFUSED, std::generic_category(), "connect");
  }
  return socket;
}

void shut_down(int socket) noexcept { ::shutdown(socket, SHUT_RDWR); }

bool passes_descriptors(int socket) { return family_of(socket) == AF_UNIX; }

void send_without_delay(int socket) {
  const int family = family_of(socket);
  if (family != AF_INET && family != AF_INET6) return;
  const int on = 1;
  check("setsockopt(TCP_NODELAY)", [&] { return ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); });
}

void widen_send_room(int socket) {
  if (!passes_descriptors(socket)) return;
  const int wanted = 32 << 20;  // 64 KiB of messages of one byte, each of which the kernel counts as some 768.
  ::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &wanted, sizeof wanted);
}

void notice_lost_host(int socket, std::chrono::nanoseconds patience, std::chrono::nanoseconds busy_patience) {
  const int family = family_of(socket);
  if (family != AF_INET && family != AF_INET6) return;
  const auto whole_seconds = [](std::chrono::nanoseconds time) {
    constexpr std::int64_t longest = 32'767;  // The kernel's, for the idle time.
    return std::clamp<std::int64_t>(std::chrono::duration_cast<std::chrono::seconds>(time).count(), 3, longest);
  };
  const auto seconds = whole_seconds(patience);
  // Asked after a third of the time, and then every sixth of it.
  const int idle = static_cast<int>(std::max<std::int64_t>(seconds / 3, 1));
  const int interval = static_cast<int>(std::max<std::int64_t>(seconds / 6, 1));
  const int probes = std::max((static_cast<int>(seconds) - idle) / interval, 1);
  const auto set = [&](int level, int option, int value) {
    check("setsockopt(keepalive)", [&] { return ::setsockopt(socket, level, option, &value, sizeof value); });
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, idle);
  set(IPPROTO_TCP, TCP_KEEPINTVL, interval);
  set(IPPROTO_TCP, TCP_KEEPCNT, probes);
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(whole_seconds(busy_patience)) * 1000);
}

PeerIdentity peer_identity(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  check("getsockopt(SO_PEERCRED)", [&] { return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size); });
  return {credentials.pid, credentials.uid};
}

unsigned current_user() noexcept { return ::geteuid(); }

StreamResult send_stream(int socket, std::span<const std::span<const std::byte>> pieces, std::span<const int> fds, bool block) {
  std::array<iovec, 4> parts{};
  std::size_t count = 0;
  for (const auto piece : pieces) {
    if (!piece.empty()) parts.at(count++) = {const_cast<std::byte*>(piece.data()), piece.size()};
  }
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = count;
  RightsBuffer rights;
  rights.attach(message, fds);
  const int flags = MSG_NOSIGNAL | (block ? 0 : MSG_DONTWAIT);
  const auto sent = retry([&] { return ::sendmsg(socket, &message, flags); });
  if (sent >= 0) return {StreamStatus::moved, static_cast<std::size_t>(sent)};
  if (errno == EAGAIN || errno == EWOULDBLOCK) return {StreamStatus::would_block, 0};
  if (is_end(errno)) return {StreamStatus::closed, 0};
  throw std::system_error(errno, std::generic_category(), "sendmsg");
}

StreamResult receive_stream(int socket, std::span<std::byte> buffer, std::vector<Fd>* fds, bool block) {
  iovec part{buffer.data(), buffer.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  RightsBuffer rights;
  if (fds != nullptr) rights.expect(message);
  const int flags = MSG_CMSG_CLOEXEC | (block ? MSG_WAITALL : MSG_DONTWAIT);
  const auto received = retry([&] { return ::recvmsg(socket, &message, flags); });
  if (received < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return {StreamStatus::would_block, 0};
    if (is_end(errno)) return {StreamStatus::closed, 0};
    throw std::system_error(errno, std::generic_category(), "recvmsg");
  }
  const bool all_fds = fds == nullptr || RightsBuffer::collect(message, *fds);
  if (received == 0) return {StreamStatus::closed, 0};
  return {StreamStatus::moved, static_cast<std::size_t>(received), !all_fds};
}

}  // namespace ipc::os
