#pragma once

#include <chrono>
#include <optional>
#include <string>

#include <ipc/auth_key.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/tls_options.hpp>

namespace ipc::manager {

/// How to reach a manager's server, and how to be let in.
struct Access {
  std::string address;
  std::optional<AuthKey> key;
  TlsOptions tls;
  std::chrono::nanoseconds host_timeout{};
};

/// For another process of this machine, which gets the key with it.
void encode_access(detail::Writer& writer, const Access& access);
/// Throws `EncodingError`.
Access decode_access(detail::Reader& reader);

}  // namespace ipc::manager
