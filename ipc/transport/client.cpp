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
using transport::Wire;

[[noreturn]] void fail(std::string_view address, const std::string& reason) {
  throw AuthenticationError("Connecting to " + std::string(address) + " failed. " + reason);
}

Wire authenticate(Wire wire, std::string_view address, const ClientOptions& options, detail::Deadline deadline) {
  deadline = earlier(deadline, detail::Deadline::after(options.handshake_timeout.get()));
  const bool encrypts = wire.encrypts();
  Authenticator authenticator(std::move(wire), transport::Side::client, options.authkey->bytes());
  for (;;) {
    const auto needs = authenticator.advance();
    if (needs == Authenticator::Needs::nothing) break;
    std::array entries{os::PollEntry{.fd = authenticator.fd(), .for_writing = needs == Authenticator::Needs::output}};
    if (os::poll(entries, deadline) != 0) continue;
    const auto time = std::chrono::duration_cast<std::chrono::milliseconds>(options.handshake_timeout.get()).count();
    fail(address, "The listener did not send " + authenticator.awaited() + " within " + std::to_string(time) +
                      " ms. Does it have an authkey, does it call accept, and do both sides or none of them speak TLS?");
  }
  // Who has said nothing at all may be waiting for something else.
  const bool silent = !authenticator.failure().empty() && authenticator.received() == 0;
  if (silent && !encrypts) fail(address, authenticator.failure() + " It may want TLS, or have no authkey.");
  if (!authenticator.failure().empty()) fail(address, authenticator.failure());
  return authenticator.take_wire();
}

}  // namespace

namespace transport {

Wire connect_client(std::string_view address, const ClientOptions& options, const TlsContext* tls, detail::Deadline deadline) {
  const Address where = Address::parse(address);
  Wire wire(connect_to(where, options.authkey.has_value(), deadline), tls == nullptr ? nullptr : tls->session(where.host));
  if (options.authkey) wire = authenticate(std::move(wire), address, options, deadline);
  return wire;
}

}  // namespace transport

Connection Client(std::string_view address, const ClientOptions& options) {
  return Connection(std::make_unique<transport::SocketConnection>(transport::connect_client(address, options)));
}

}  // namespace ipc
