#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/fd.hpp>

#include "ipc/os/socket_address.hpp"
#include "ipc/os/socket_path.hpp"
#include "ipc/transport/address.hpp"

namespace ipc::transport {

/// A socket that listens, and what goes with it when it is closed.
struct ListeningSocket {
  Fd socket;
  std::string address;                    ///< What a client connects to.
  std::unique_ptr<os::SocketPath> place;  ///< Of a unix socket.
};

/// Listens at the address. Throws `std::system_error` naming it; `UsageError` for TCP beyond this machine unless
/// `authenticated`.
ListeningSocket listen_at(const Address& address, int backlog, bool authenticated);

/// Connects with whoever listens at the address; of a host's several, with the first that answers. Throws as `listen_at`, and
/// ETIMEDOUT at the deadline.
Fd connect_to(const Address& address, bool authenticated, detail::Deadline deadline = detail::Deadline::never());

/// As users write it; empty for a unix socket that is bound to no path.
std::string text_of(const os::SocketAddress& address);

/// Why the client on the other end of a unix socket is not to be let in: it is another user's, and not root's.
std::optional<std::string> refused_user(int socket);

}  // namespace ipc::transport
