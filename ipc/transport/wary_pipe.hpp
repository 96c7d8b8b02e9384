#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include <ipc/bytes.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

#include "ipc/transport/pipe_memory.hpp"
#include "ipc/transport/ring.hpp"

namespace ipc::transport {

/// The first end of a pipe as a server has it that serves many: it never waits, and trusts nothing that the other end could
/// have written. The other end is any pipe's. Messages are bytes without descriptors that fit into the ring as a whole; the
/// other end must not send others. Stays in the process that made it. One thread at a time.
///
/// Unlike PipeReceiver it does not count the doorbells: what is too many in its socket wakes a server once for nothing.
///
/// If the other end's process is killed: the socket tells. If this one is: the same, to that.
class WaryPipe {
 public:
  /// `other_end` is what `detail::decode_connection` reads. `capacity` of each ring: a power of two of at least a page.
  WaryPipe(std::size_t capacity, detail::Writer& other_end);
  WaryPipe(const WaryPipe&) = delete;
  WaryPipe& operator=(const WaryPipe&) = delete;
  ~WaryPipe();

  /// Copies the next message to `into`, if all of it has come. Throws `EncodingError` for what the other end must not send.
  bool receive(Bytes& into);
  /// Whether `receive` has more to look at than the last time; looks at memory only.
  bool stirs() noexcept;
  /// From now on the socket becomes readable when the other end sends. False when `receive` has something to look at.
  [[nodiscard]] bool ask_for_bell() noexcept;
  /// To be called when the socket is readable. False when the other end has gone. Throws what recvmsg does.
  bool answer_bell();
  int socket() const noexcept { return socket_.get(); }
  /// Where the other end was when it rang last, as `Crowding` says it.
  std::uint32_t peer_cpu() const noexcept;

  /// False when there is no room, because the other end has not taken what it got before.
  bool send(std::span<const std::byte> message);

 private:
  WaryPipe(PipeMemory memory, std::pair<Fd, Fd> sockets, detail::Writer& other_end);

  PipeMemory memory_;
  Fd socket_;
  RingWriter outgoing_;
  RingReader incoming_;
  std::size_t wanted_;  // So many bytes make it worth while to look.
};

}  // namespace ipc::transport
