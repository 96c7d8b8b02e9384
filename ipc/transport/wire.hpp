#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <ipc/fd.hpp>

#include "ipc/os/stream_socket.hpp"
#include "ipc/transport/tls.hpp"

namespace ipc::transport {

/// A stream socket, with TLS over it where it has a session. One thread at a time; without TLS, one may send while another
/// receives.
class Wire {
 public:
  Wire() noexcept = default;
  // NOLINTNEXTLINE(google-explicit-constructor): a bare socket is one.
  Wire(Fd socket, std::unique_ptr<TlsSession> tls = nullptr) noexcept : socket_(std::move(socket)), tls_(std::move(tls)) {}

  enum class Needs : unsigned char { input, output, nothing };
  /// Goes on with TLS's handshake as far as what has come allows; never waits. `nothing` when it is over, or there is no TLS.
  /// Throws `AuthenticationError` when it failed, also because the peer has gone.
  Needs shake_hands();
  bool encrypts() const noexcept { return tls_ != nullptr; }

  /// As `os::receive_stream`. With TLS it does not wait for the whole of the buffer, and throws `AuthenticationError` for what the
  /// peer cannot have sent, and when the peer refuses our certificate, which it may do only now.
  os::StreamResult receive(std::span<std::byte> room, std::vector<Fd>* fds, bool block = true);
  /// As `os::send_stream`. With TLS, what is offered after `would_block` must begin with the bytes that were offered before.
  os::StreamResult send(std::span<const std::span<const std::byte>> pieces, std::span<const int> fds = {}, bool block = true);
  /// Whether `receive` may have something that the socket does not tell of.
  bool holds_input() const noexcept { return tls_ != nullptr && tls_->readable(); }

  int fd() const noexcept { return socket_.get(); }
  /// The bare socket: of use to somebody else only without TLS, or to be held open.
  Fd take_socket() noexcept { return std::move(socket_); }

 private:
  /// False when not all of it could be sent now.
  bool send_outgoing(bool block, bool& closed);

  Fd socket_;
  std::unique_ptr<TlsSession> tls_;
  std::size_t encrypted_ = 0;  // Of the bytes that were offered last, so many are on their way.
};

}  // namespace ipc::transport
