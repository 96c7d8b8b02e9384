#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

#include "ipc/transport/framing.hpp"
#include "ipc/transport/wary_pipe.hpp"
#include "ipc/transport/wire.hpp"

namespace ipc::manager {

/// A client's connection as the server has it. Nothing here waits, whatever the client does, and nothing that it sends costs
/// more than a request of the largest size.
///
/// Requests come, and answers go, in frames through a socket. A client of this machine may ask for rings (`Op::rings`). Then
/// what fits goes through these (see `fits_rings`), and an answer goes where its request came from; one that does not fit
/// into the rings goes through the socket, and an empty message in the rings says so.
class ClientLine {
 public:
  enum class Heard : std::uint8_t {
    request,
    nothing,  ///< Not a whole one, so far.
    end,      ///< The client has gone, or does not keep to the protocol.
  };

  explicit ClientLine(transport::Wire wire);

  void set_limit(std::uint64_t max_size) noexcept { reader_.set_limit(max_size); }
  /// A little of what the socket has, so that the others have their turn.
  Heard listen_at_socket();
  /// The request that was heard, until `forget_request`.
  std::span<const std::byte> request() const noexcept { return by_rings_ ? std::span<const std::byte>(ring_request_) : reader_.message(); }
  std::span<Fd> request_fds() noexcept { return received_fds_; }
  void forget_request() noexcept;

  /// Begins to send the answer to the last request; there is none that has not been sent. False when it cannot be.
  bool answer(detail::Writer& answer);
  /// Goes on with it. False when the client has gone.
  bool flush();
  bool has_unsent() const noexcept { return !unsent_.empty(); }

  /// False where there cannot be rings, or are.
  bool open_rings(detail::Writer& answer);
  /// What only memory tells: whether there may be a request in the rings, or in what TLS holds.
  bool stirs() const noexcept { return rings_ != nullptr ? rings_->stirs() : wire_.holds_input() && !has_unsent(); }
  Heard listen_at_memory() { return rings_ != nullptr ? listen_at_rings() : listen_at_socket(); }
  /// From now on a descriptor tells of requests. False when there may be one already.
  [[nodiscard]] bool quieten() noexcept { return rings_ != nullptr ? rings_->ask_for_bell() : !stirs(); }
  transport::WaryPipe* rings() const noexcept { return rings_.get(); }
  int socket() const noexcept { return wire_.fd(); }
  /// See `transport::Crowding`.
  std::uint32_t cpu() const noexcept { return rings_ != nullptr ? rings_->peer_cpu() : 0; }

 private:
  Heard listen_at_rings();

  transport::Wire wire_;
  bool passes_descriptors_;
  transport::FrameReader reader_;
  std::vector<Fd> received_fds_;
  Bytes unsent_;  // The answer, from `sent_` on.
  std::size_t sent_ = 0;
  std::vector<Fd> fds_;  // That go with its first byte.
  std::unique_ptr<transport::WaryPipe> rings_;
  Bytes ring_request_;
  bool by_rings_ = false;  // The last request came that way.
};

}  // namespace ipc::manager
