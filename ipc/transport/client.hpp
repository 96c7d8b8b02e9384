#pragma once

#include <string_view>

#include <ipc/fd.hpp>
#include <ipc/listener.hpp>

namespace ipc::transport {

/// The socket of a `Client`: connected and, with an authkey, authenticated. Throws as that.
Fd connect_client(std::string_view address, const ClientOptions& options);

}  // namespace ipc::transport
