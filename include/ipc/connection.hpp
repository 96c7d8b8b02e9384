#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ipc/bytes.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/type_name.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

namespace ipc {

/// One end of a stream of messages between two processes: values of any sendable type, or bytes. Made by `Pipe`, `Client`
/// and `Listener::accept`, inherited by fork, passed to processes and tasks, and sent through other connections.
///
///   auto [parent, child] = ipc::Pipe();
///   ipc::Process p([c = std::move(child)]() mutable { c.send(c.recv<int>() + 1); });
///
/// A forked process inherits both ends. The other side sees the end of file only when nobody has this end any more, so a child
/// that waits for its parent's end should close its copy of that: `[&parent, c = std::move(child)]() mutable { parent.close(); …`.
///
/// Move-only. One thread may send while another receives; otherwise one at a time, and nothing else may run while the
/// object is closed, moved or destroyed: end a thread that waits in `recv` by closing the other end. Of the processes that
/// inherited an end by a fork, one at a time may send through it, and one receive.
///
/// Using an end that is closed or was moved from, and sending or receiving through one that cannot, is `UsageError`.
class Connection {
 public:
  /// A closed one, to be assigned to.
  Connection() noexcept = default;
  explicit Connection(std::unique_ptr<detail::ConnectionCore> core) noexcept : core_(std::move(core)) {}
  Connection(Connection&&) noexcept = default;
  Connection& operator=(Connection&&) noexcept = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() = default;

  /// Sends a value: a copy, or what was given up with std::move. Returns before the peer has received it, and waits only
  /// while more than 64 KiB are unread; over a unix socket (see `Listener`) perhaps sooner, where many small messages are.
  /// Throws `BrokenPipe` when the peer has closed its end or died.
  template <class T>
  void send(T&& value) {
    if constexpr (std::is_same_v<std::remove_cvref_t<T>, Connection>) {
      if (&value == this) throw UsageError("A connection cannot be sent through itself.");
    }
    detail::ConnectionCore& core = open_core();
    detail::Writer message(core.send_room());
    message.raw(detail::type_tag<T>());
    detail::encode(message, std::forward<T>(value));
    core.send(detail::ConnectionCore::Kind::typed, message);
  }
  /// Waits for the next message, which must be a T. Throws `EndOfFile` when the peer has closed its end or died and all that
  /// it sent is read; `EncodingError` when the message is of another type, or bytes: it is gone then.
  template <class T>
  T recv() {
    static_assert(std::is_same_v<T, std::decay_t<T>>, "ipc: recv makes values, not references or arrays");
    detail::ConnectionCore& core = open_core();
    const auto message = core.receive(detail::ConnectionCore::any_size, {});
    const Release release{core};
    if (message.kind != detail::ConnectionCore::Kind::typed) fail_untyped(detail::type_name<T>());
    detail::Reader reader(message.bytes, message.fds);
    if (reader.raw<std::uint64_t>() != detail::type_tag<T>()) fail_type(detail::type_name<T>());
    return detail::decode_all<T>(reader);
  }

  /// Sends one message of bytes; it may be empty. Otherwise as `send`.
  void send_bytes(std::span<const std::byte> bytes) { open_core().send_bytes(bytes); }
  void send_bytes(std::string_view bytes) { send_bytes(std::as_bytes(std::span(bytes))); }
  /// Waits for the next message, whole. Of a value it gives the type's tag and the encoding. Throws `EndOfFile` as `recv`.
  Bytes recv_bytes() { return receive_bytes(detail::ConnectionCore::any_size); }
  /// A message of more than `maxlength` bytes is `std::system_error` (EMSGSIZE), and nothing can be received after it.
  template <std::integral Integer>
  Bytes recv_bytes(Integer maxlength) {
    if (std::is_signed_v<Integer> && maxlength < Integer{0}) throw std::invalid_argument("recv_bytes: negative maxlength");
    return receive_bytes(static_cast<std::uint64_t>(maxlength));
  }
  /// Waits for the next message, puts it at the beginning of `buffer` and returns its size. One that is larger throws
  /// `BufferTooShort`, which has the message.
  std::size_t recv_bytes_into(std::span<std::byte> buffer);

  /// Whether a message, or the end of file, is there to be received. Takes nothing.
  bool poll() { return open_core().poll(detail::Deadline::expired_already()); }
  /// The same, within the time.
  template <class Rep, class Period>
  bool poll(std::chrono::duration<Rep, Period> timeout) {
    return open_core().poll(detail::Deadline::after(timeout));
  }
  /// A descriptor that is readable whenever `poll()` is true, for the caller's own select, poll or epoll, level-triggered.
  /// It belongs to this object: do not read from it. From then on each message that leaves nothing to read costs a system call.
  int fileno() { return open_core().fileno(); }

  /// Closes this end; again is fine.
  void close() noexcept { core_.reset(); }
  bool closed() const noexcept { return core_ == nullptr; }
  /// False when closed.
  bool readable() const noexcept { return core_ != nullptr && core_->readable(); }
  bool writable() const noexcept { return core_ != nullptr && core_->writable(); }

  detail::WaitHook ipc_wait_hook() const { return open_core().wait_hook(); }
  void ipc_encode(detail::Writer& writer);
  static Connection ipc_decode(detail::Reader& reader) { return Connection(detail::decode_connection(reader)); }

 private:
  struct Release {
    detail::ConnectionCore& core;
    ~Release() { core.release(); }
  };

  detail::ConnectionCore& open_core() const {
    if (core_ == nullptr) fail_closed();
    return *core_;
  }
  Bytes receive_bytes(std::uint64_t maxlength);
  void close_if_useless() noexcept;
  [[noreturn]] static void fail_closed();
  [[noreturn]] static void fail_untyped(const std::string& type);
  [[noreturn]] static void fail_type(const std::string& type);

  std::unique_ptr<detail::ConnectionCore> core_;
};

/// Two connected ends. What is sent into one is received from the other, in both directions, or, unless `duplex`, only from
/// the second to the first. Throws `std::system_error`.
std::pair<Connection, Connection> Pipe(bool duplex = true);

}  // namespace ipc
