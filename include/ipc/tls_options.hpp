#pragma once

#include <string>

namespace ipc {

/// Certificates for a connection over TCP that is to be encrypted: files in PEM. Nothing given means no TLS.
///
/// A server needs `cert` and `key`. With a `ca` it lets in only clients whose certificate that signed. A client checks the
/// server's certificate against `ca`, or the system's authorities where there is none, and the host's name or IP address in
/// it. Whoever proves to have the `key` of one's own `cert` is trusted without that: it is oneself.
struct TlsOptions {
  std::string cert = {};  ///< This side's certificate, and those between it and the authority.
  std::string key = {};   ///< Its private key, without a passphrase.
  std::string ca = {};    ///< Authorities whose signature on the other side's certificate counts.
  std::string host = {};  ///< For clients: the name that the server's certificate has to have, instead of the address's.

  bool given() const noexcept { return !cert.empty() || !key.empty() || !ca.empty(); }
};

}  // namespace ipc
