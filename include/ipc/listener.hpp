#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <ipc/auth_key.hpp>
#include <ipc/connection.hpp>
#include <ipc/detail/time_limit.hpp>
#include <ipc/detail/wait_hook.hpp>

namespace ipc {

namespace transport {
class ListenerCore;
}  // namespace transport

struct ListenerOptions {
  /// How many clients the kernel keeps waiting until `accept` takes them.
  int backlog = 128;
  /// Given, also empty: only who knows it gets in, and knows that we do.
  std::optional<AuthKey> authkey = {};
  /// Within this time from its connection a client must have proved that it knows the authkey.
  detail::TimeLimit handshake_timeout = std::chrono::seconds(5);
  /// How many clients may be proving it at the same time. When there are more, each has only a fifth of the time.
  std::size_t max_handshakes = 256;
};

struct ClientOptions {
  /// Given, also empty: only a listener that knows it will do.
  std::optional<AuthKey> authkey = {};
  /// Within this time from the connection the listener must have proved that it knows the authkey. It includes the time until
  /// the other program calls `accept`.
  detail::TimeLimit handshake_timeout = std::chrono::seconds(5);
};

/// Waits for connections of other processes: those of this library made by `Client`, and CPython's made by
/// `multiprocessing.connection.Client`.
///
/// Addresses: `unix:/path`; `tcp://host:port`, where port 0 lets the kernel pick one and an IPv6 address stands in brackets;
/// empty for a unix socket in a folder that only this user may enter. The file of a unix socket is removed with the
/// listener, and taken over where a killed process has left it behind; of a killed one the folder goes when the next is made. Of other
/// users' processes on this machine, only root's may connect to it.
///
/// On a unix socket the kernel counts each unread message as some 768 bytes at least, and allows twice net.core.wmem_max of them:
/// with Linux's default, 554 small messages can be unread before a `send` waits. `Pipe` has no such limit.
///
/// TCP beyond this machine needs an `authkey`. The key keeps strangers out; it does not encrypt what is sent, and does not
/// help against somebody who controls the network in between.
///
/// Any thread may use it, several at the same time. A forked child may accept from it, too; what its parent accepts then, the
/// child does not. Its end in a child leaves the parent's as it is.
class Listener {
 public:
  /// Throws `std::invalid_argument` for an address that is none, `UsageError` for TCP beyond this machine without an
  /// authkey, `std::system_error` for what the kernel refuses (EADDRINUSE, EACCES…).
  explicit Listener(std::string_view address = {}, ListenerOptions options = {});
  Listener(Listener&&) noexcept;
  Listener& operator=(Listener&&) noexcept;
  ~Listener();

  /// Waits for the next client. Throws `AuthenticationError` for a client that failed or took too long to authenticate itself,
  /// and whose connection is closed; the next call goes on with the next client. Others' handshakes go on at the same
  /// time: one that is slow, silent or broken keeps nobody else waiting. Throws `UsageError` once the listener is closed,
  /// also by another thread, and `std::system_error` (EMFILE…).
  Connection accept();
  /// The next client if there is one, and nothing if it would have to be waited for. Throws as `accept`.
  std::optional<Connection> try_accept();

  /// Where it listens, with the port that the kernel picked: what `Client` needs.
  const std::string& address() const;
  /// Where the client came from that `accept` returned last, or threw for: `tcp://host:port`; empty before the first, and for
  /// unix sockets, whose clients have no address.
  std::string last_accepted() const;
  /// Listens no more; threads in `accept` get a `UsageError`. What was accepted stays open.
  void close();

  /// Readable when `try_accept` has something to do, level-triggered: for a loop of one's own. Stays the listener's.
  int fileno() const;
  /// For `ipc::wait`, which reports a listener when `accept` will not wait.
  detail::WaitHook ipc_wait_hook() const;

 private:
  std::unique_ptr<transport::ListenerCore> core_;
};

/// Connects with a listener of this library or of CPython. Throws `std::invalid_argument` for an address that is none,
/// `UsageError` for TCP beyond this machine without an authkey, `std::system_error` naming the address when nobody listens
/// there (ECONNREFUSED, ENOENT…), `AuthenticationError` when the other side has another authkey or does not authenticate
/// itself in time. Blocks as long as the kernel tries to connect, and then for the handshake. Any thread.
Connection Client(std::string_view address, const ClientOptions& options = {});

}  // namespace ipc
