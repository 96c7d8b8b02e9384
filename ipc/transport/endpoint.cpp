#include "ipc/transport/endpoint.hpp"

#include <stdexcept>
#include <system_error>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/stream_socket.hpp"

namespace ipc::transport {
namespace {

[[noreturn]] void refuse_stranger(const char* verb, const std::string& address) {
  throw UsageError("Refusing to " + std::string(verb) + " " + address +
                   " without an authkey: that is beyond this machine, and whoever is there could send anything. Give both ends the same "
                   "authkey, or use a loopback address (tcp://127.0.0.1:port) or a unix socket.");
}

template <class Try>
auto naming(const std::string& what, Try attempt) -> decltype(attempt()) {
  try {
    return attempt();
  } catch (const std::system_error& error) {
    throw std::system_error(error.code(), what);
  }
}

ListeningSocket listen_at_path(const Address& address, int backlog) {
  ListeningSocket result;
  const std::string path = address.family == Address::Family::any ? "/" : address.path;
  result.socket = os::make_listening_socket(os::SocketAddress::of_path(path));
  if (address.family == Address::Family::any) {
    result.place = std::make_unique<os::SocketPath>(result.socket.get());
  } else {
    result.place = std::make_unique<os::SocketPath>(result.socket.get(), path);
  }
  result.address = unix_address(result.place->path());
  os::start_listening(result.socket.get(), backlog);
  return result;
}

ListeningSocket listen_at_port(const Address& address, int backlog, bool authenticated) {
  const os::SocketAddress place = os::resolve(address.host, address.port).front();
  if (!authenticated && !place.is_loopback()) refuse_stranger("listen at", address.text());
  return naming("listen at " + address.text(), [&] {
    ListeningSocket result;
    result.socket = os::make_listening_socket(place);
    os::bind_socket(result.socket.get(), place);
    os::start_listening(result.socket.get(), backlog);
    result.address = text_of(os::bound_address(result.socket.get()));
    return result;
  });
}

Fd connect_to_host(const Address& address, bool authenticated, detail::Deadline deadline) {
  if (address.port == 0) throw std::invalid_argument("The address \"" + address.text() + "\" has port 0: a client needs the listener's.");
  std::optional<std::error_code> reason;
  for (const os::SocketAddress& place : os::resolve(address.host, address.port)) {
    if (!authenticated && !place.is_loopback()) continue;
    try {
      Fd socket = os::connect_stream(place, deadline);
      os::send_without_delay(socket.get());
      return socket;
    } catch (const std::system_error& error) {
      reason = error.code();
    }
  }
  if (!reason) refuse_stranger("connect to", address.text());
  throw std::system_error(*reason, "connect to " + address.text());
}

}  // namespace

ListeningSocket listen_at(const Address& address, int backlog, bool authenticated) {
  if (address.family == Address::Family::tcp) return listen_at_port(address, backlog, authenticated);
  return listen_at_path(address, backlog);
}

Fd connect_to(const Address& address, bool authenticated, detail::Deadline deadline) {
  if (address.family == Address::Family::tcp) return connect_to_host(address, authenticated, deadline);
  if (address.family == Address::Family::any)
    throw std::invalid_argument("A client needs an address: listener.address() of the other side.");
  Fd socket =
      naming("connect to " + address.text(), [&] { return os::connect_stream(os::SocketAddress::of_path(address.path), deadline); });
  os::widen_send_room(socket.get());
  return socket;
}

std::string text_of(const os::SocketAddress& address) {
  if (address.is_tcp()) return tcp_address(address.host(), address.port());
  const std::string path = address.path();
  return path.empty() ? std::string() : unix_address(path);
}

std::optional<std::string> refused_user(int socket) {
  if (!os::passes_descriptors(socket)) return std::nullopt;
  const auto [pid, user] = os::peer_identity(socket);
  if (user == 0 || user == os::current_user()) return std::nullopt;
  return "It is process " + std::to_string(pid) + " of user " + std::to_string(user) + "; only processes of this user (" +
         std::to_string(os::current_user()) + ") and of root may connect to a unix socket.";
}

}  // namespace ipc::transport
