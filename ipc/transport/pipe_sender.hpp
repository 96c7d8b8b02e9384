#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

#include "ipc/transport/pipe_words.hpp"

namespace ipc::transport {

/// The producer of one direction of a pipe. Owns neither memory nor socket. One thread at a time; of the processes that
/// inherited it, one at a time.
class PipeSender {
 public:
  using Kind = detail::ConnectionCore::Kind;

  PipeSender(PipeDirection& direction, std::byte* data, std::size_t capacity, int socket) noexcept;

  /// Where the next message may be begun: in the ring, behind the place for its header.
  std::span<std::byte> room();
  /// Sends what was begun in `room`. `BrokenPipe` when nobody will read it.
  void send(Kind kind, detail::Writer& message);
  void send_bytes(std::span<const std::byte> bytes);

 private:
  void begin();
  void mind_peer();
  bool peer_in_doubt();
  bool peer_is_there();
  void require_peer();
  void require_taken();
  void write(MessageHeader header, std::span<const std::byte> bytes);
  void stream(MessageHeader header, std::span<const std::byte> bytes);
  void publish(bool behind_descriptors);
  void send_fds(std::vector<Fd>& fds);
  bool send_packet(PipePacket packet, std::span<const int> fds);
  void wait_for_room(std::size_t wanted);

  PipeDirection* direction_;
  RingWriter ring_;
  int socket_;
  std::uint32_t closings_seen_ = 0;
  std::uint64_t looked_at_ = 0;       // When the peer was last known to live, in ticks.
  std::uint64_t head_looked_at_ = 0;  // How far it was then.
};

}  // namespace ipc::transport
