#include "ipc/transport/client.hpp"

#include <array>
#include <utility>

#include <ipc/error.hpp>
#include <ipc/listener.hpp>

#include "ipc/os/poll.hpp"
#include "ipc/transport/authenticator.hpp"
#include "ipc/transport/endpoint.hpp"
#include "ipc/transport/socket_connection.hpp"

namespace ipc {
namespace {

using transport::Authenticator;

[[noreturn]] void fail(std::string_view address, const std::string& reason) {
  throw AuthenticationError("Connecting to " + std::string(address) + " failed. " + reason);
}

Fd authenticate(Fd socket, std::string_view address, const ClientOptions& options) {
  const auto deadline = detail::Deadline::after(options.handshake_timeout);
  Authenticator authenticator(std::move(socket), transport::Side::client, options.authkey->bytes());
  for (;;) {
    const auto needs = authenticator.advance();
    if (needs == Authenticator::Needs::nothing) break;
    std::array entries{os::PollEntry{.fd = authenticator.fd(), .for_writing = needs == Authenticator::Needs::output}};
    if (os::poll(entries, deadline) != 0) continue;
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(options.handshake_timeout).count();
    fail(address, "The listener did not send " + authenticator.awaited() + " within " + std::to_string(time) +
                      " ms. Does it have an authkey, and does it call accept?");
  }
  if (!authenticator.failure().empty()) fail(address, authenticator.failure());
  return authenticator.take_socket();
}

}  // namespace

namespace transport {

Fd connect_client(std::string_view address, const ClientOptions& options) {
  Fd socket = connect_to(Address::parse(address), options.authkey.has_value());
  if (options.authkey) socket = authenticate(std::move(socket), address, options);
  return socket;
}

}  // namespace transport

Connection Client(std::string_view address, const ClientOptions& options) {
  return Connection(std::make_unique<transport::SocketConnection>(transport::connect_client(address, options)));
}

}  // namespace ipc
