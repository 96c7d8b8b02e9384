#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ipc::transport {

/// Where a listener listens, as users write it: `unix:/path`, `tcp://host:port` (IPv6 in brackets), or nothing for a
/// private place. A value.
struct Address {
  enum class Family : unsigned char { any, unix_socket, tcp };

  Family family = Family::any;
  std::string path;        ///< Of a unix socket.
  std::string host;        ///< A name or a numeric address, without brackets.
  std::uint16_t port = 0;  ///< Zero lets the kernel pick one.

  /// Throws `std::invalid_argument` with a sentence that says what is wrong with it.
  static Address parse(std::string_view text);
  /// As `parse` reads it.
  std::string text() const;
};

/// Of an empty address, and what stands in messages about it.
std::string unix_address(std::string_view path);
std::string tcp_address(std::string_view host, std::uint16_t port);

}  // namespace ipc::transport
