#pragma once

#include <string>

#include <ipc/bytes.hpp>

#include "ipc/transport/challenge.hpp"
#include "ipc/transport/framing.hpp"
#include "ipc/transport/wire.hpp"

namespace ipc::transport {

/// A handshake over a stream socket, inside TLS where it has that, that never waits: `advance` goes as far as what has come allows. Not a
/// byte behind the handshake is read. One thread at a time.
class Authenticator {
 public:
  using Needs = Wire::Needs;

  Authenticator(Wire wire, Side side, Bytes key);

  /// What has to happen before it can go on; `nothing` when it is over.
  Needs advance();
  /// Once it is over: empty when both sides know the key, a sentence otherwise.
  const std::string& failure() const noexcept { return failure_; }
  /// For the sentence about a peer that took too long.
  std::string awaited() const { return encrypted_ ? handshake_.awaited() : "its part of a TLS handshake"; }

  /// Bytes so far.
  std::size_t received() const noexcept { return received_; }

  int fd() const noexcept { return wire_.fd(); }
  Wire take_wire() noexcept { return std::move(wire_); }

 private:
  void post(const Bytes& message);
  bool send();
  bool receive();
  void fail(std::string sentence) { failure_ = std::move(sentence); }

  Wire wire_;
  bool encrypted_;  // Or is not to be.
  Handshake handshake_;
  FrameReader reader_{Handshake::max_message};
  Bytes outgoing_;
  std::size_t sent_ = 0;
  std::size_t received_ = 0;
  std::string failure_;
};

}  // namespace ipc::transport
