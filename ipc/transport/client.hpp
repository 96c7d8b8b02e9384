#pragma once

#include <string_view>

#include <ipc/detail/deadline.hpp>
#include <ipc/listener.hpp>

#include "ipc/transport/wire.hpp"

namespace ipc::transport {

/// The socket of a `Client`: connected and, with an authkey, authenticated, in TLS if there is a `tls`, which needs an authkey.
/// Throws as that; at the deadline, ETIMEDOUT or `AuthenticationError`.
Wire connect_client(std::string_view address, const ClientOptions& options, const TlsContext* tls = nullptr,
                    detail::Deadline deadline = detail::Deadline::never());

}  // namespace ipc::transport
