#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include <ipc/bytes.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/wait_hook.hpp>
#include <ipc/fd.hpp>

namespace ipc::detail {

class Reader;
class Writer;

/// What a `Connection` runs on: rings in shared memory, or a socket. Moves whole messages of bytes and descriptors.
/// One thread may send while another receives; destroying it excludes all else.
///
/// Directions are the core's to check: using one that it has not is `UsageError`. After a message of the peer's that cannot
/// be (`EncodingError`), and after one longer than the receiver allowed, the connection is not `readable` any more.
class ConnectionCore {
 public:
  enum class Kind : std::uint8_t {
    bytes = 0,  ///< What the caller gave to `send_bytes`.
    typed = 1,  ///< A type tag and an encoded value.
  };
  struct Incoming {
    Kind kind = Kind::bytes;
    std::span<const std::byte> bytes;
    std::span<Fd> fds;
  };
  static constexpr std::uint64_t any_size = UINT64_MAX;

  ConnectionCore() = default;
  ConnectionCore(const ConnectionCore&) = delete;
  ConnectionCore& operator=(const ConnectionCore&) = delete;
  virtual ~ConnectionCore() = default;

  // --- sending -------------------------------------------------------------------------------------------------------
  /// Memory to begin the next message in, which may be where it travels; may be empty. `UsageError` when not `writable`.
  virtual std::span<std::byte> send_room() = 0;
  /// Sends all of `message`, which was begun in `send_room`, or throws; waits for room. `BrokenPipe` when the peer has gone.
  virtual void send(Kind kind, Writer& message) = 0;
  /// Sends bytes that lie elsewhere.
  virtual void send_bytes(std::span<const std::byte> bytes) = 0;

  // --- receiving -----------------------------------------------------------------------------------------------------
  /// Waits for the next message, which stays where it is until `release`. A message that does not arrive in one piece may
  /// be put together in `into`, if it fits there. `EndOfFile` when the peer has gone and all is read; `std::system_error`
  /// (EMSGSIZE) for a message of more than `max_size` bytes.
  virtual Incoming receive(std::uint64_t max_size, std::span<std::byte> into) = 0;
  /// Waits as `receive`, and where the next message is a plain one that fits puts its bytes into `into`, is done with it and
  /// returns its size. Nothing where `receive` has to be asked, with all its care; the message is still there then.
  virtual std::optional<std::size_t> receive_plain(std::span<std::byte> /*into*/) { return std::nullopt; }
  /// The bytes of the message that `receive` gave, as the caller's own: without a copy where they were put together.
  virtual Bytes take() = 0;
  /// What `receive` gave is done with.
  virtual void release() = 0;
  /// Whether `receive` has something to say, within the time: a message, at least its beginning, or the end.
  virtual bool poll(Deadline deadline) = 0;
  virtual WaitHook wait_hook() = 0;
  /// A descriptor that is readable whenever `poll` would say so at once. Belongs to the core.
  virtual int fileno() = 0;

  virtual bool readable() const noexcept = 0;
  virtual bool writable() const noexcept = 0;
  /// Moves this end into a message; nothing but destruction may follow.
  virtual void encode(Writer& writer) = 0;
};

/// The first byte of an encoded core.
enum class CoreKind : std::uint8_t { pipe = 1, socket = 2 };

/// An end that `encode` wrote. `EncodingError` where it is none.
std::unique_ptr<ConnectionCore> decode_connection(Reader& reader);

}  // namespace ipc::detail
