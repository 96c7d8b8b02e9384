#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ipc/detail/connection_core.hpp>
#include <ipc/fd.hpp>

#include "ipc/transport/framing.hpp"
#include "ipc/transport/wire.hpp"

namespace ipc::transport {

/// One end of a connection over a stream socket, in CPython's framing: what `send_bytes` sends is what a CPython peer's
/// `recv_bytes` gets, and the reverse. A typed message is one that begins with "ipc-typd"; as bytes it has these, too, so
/// that it can be passed on.
///
/// Over unix sockets descriptors travel beside the first bytes of their message; over TCP there is nothing that could carry
/// them. It reads no byte ahead: whoever gets the descriptor gets all that has not been received. Only with TLS, which stays in
/// this process: then the descriptor says what is ready only as far as TLS is concerned, and `encode` sends what can do no more
/// than keep the connection open.
class SocketConnection final : public detail::ConnectionCore {
 public:
  explicit SocketConnection(Wire wire, bool readable = true, bool writable = true);

  std::span<std::byte> send_room() override;
  void send(Kind kind, detail::Writer& message) override;
  void send_bytes(std::span<const std::byte> bytes) override;
  Incoming receive(std::uint64_t max_size, std::span<std::byte> into) override;
  Bytes take() override { return reader_.take_message(); }
  void release() override;
  bool poll(detail::Deadline deadline) override;
  detail::WaitHook wait_hook() override { return {.fd = wire_.fd()}; }
  int fileno() override { return wire_.fd(); }
  bool readable() const noexcept override { return readable_; }
  bool writable() const noexcept override { return writable_; }
  void encode(detail::Writer& writer) override;

 private:
  using Pieces = std::span<const std::span<const std::byte>>;
  void send_frame(std::span<const std::byte> mark, std::span<const std::byte> body, std::span<const Fd> fds);
  void send_pieces(Pieces pieces, std::span<const Fd> fds);
  std::size_t send_some(Pieces pieces, std::span<const Fd> fds);
  void require_readable() const;
  void require_writable() const;

  Wire wire_;
  bool passes_descriptors_;
  bool readable_;
  bool writable_;
  FrameReader reader_;
  std::vector<Fd> received_fds_;
  std::unique_ptr<std::byte[]> scratch_;
};

/// What `encode` wrote, behind its first byte. `EncodingError` where it is no stream socket.
std::unique_ptr<detail::ConnectionCore> decode_socket_connection(detail::Reader& reader);

}  // namespace ipc::transport
