#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/connection_core.hpp>
#include <ipc/fd.hpp>

#include "ipc/transport/crowding.hpp"
#include "ipc/transport/patience.hpp"
#include "ipc/transport/pipe_words.hpp"

namespace ipc::transport {

/// The consumer of one direction of a pipe. Owns neither memory nor socket. One thread at a time; of the processes that
/// inherited it, one at a time.
///
/// **Invariant: it holds nothing of a message that it has not begun to receive**, so that another process, which inherited this
/// end or is sent it, can go on.
class PipeReceiver {
 public:
  using Incoming = detail::ConnectionCore::Incoming;

  PipeReceiver(PipeDirection& direction, const std::byte* data, std::size_t capacity, int socket) noexcept;

  // As those of detail::ConnectionCore.
  Incoming receive(std::uint64_t max_size, std::span<std::byte> into);
  std::optional<std::size_t> receive_plain(std::span<std::byte> into);
  Bytes take();
  void release();
  bool poll(detail::Deadline deadline);
  /// From now on the socket is readable exactly when there is something to receive.
  void watch();

  /// Whether there is something to receive, as far as one can see without asking for it.
  bool glance();
  /// Whether there is something to receive; otherwise the socket becomes readable when there may be.
  bool arm();
  /// After the socket became readable: whether there is something to receive, or it was for nothing.
  bool ready();

 private:
  enum class Outcome { data, end, timed_out };
  enum class Bell { taken, none, behind_descriptors };

  bool catch_up();
  void resume();
  std::size_t known() { return ring_.readable(0).size(); }
  bool has(std::size_t size) { return ring_.readable(size).size() >= size; }
  Outcome wait(std::size_t size, detail::Deadline deadline);
  void require(std::size_t size) {
    if (!has(size)) await(size);
  }
  void await(std::size_t size);
  MessageHeader next_header();
  Incoming assemble(MessageHeader header, std::span<std::byte> into);
  void consume(std::size_t size);
  bool ask_for_bell(std::size_t size);
  Bell take_bell();
  void count_taken_bell();
  Bell drop_stale_bell();
  void keep_silent();
  std::optional<PipePacket> next_packet() const;
  void take_fds(std::uint64_t end, std::size_t count);
  std::vector<Fd> collect_fds(std::uint64_t position, std::size_t count);

  PipeDirection* direction_;
  RingReader ring_;
  int socket_;
  Crowding crowding_;
  Patience patience_;
  std::size_t unnoticed_ = 0;   // Bytes freed since the producer was last looked for.
  std::size_t to_release_ = 0;  // Bytes in the ring of the message that was given out.
  std::span<const std::byte> given_;
  bool assembled_is_given_ = false;
  Bytes assembled_;            // A message that did not fit into the ring.
  std::vector<Fd> fds_;        // Of the message that was given out.
  std::uint64_t settled_ = 0;  // Descriptors for messages before this are taken, or of no use.
};

}  // namespace ipc::transport
