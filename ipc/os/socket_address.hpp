#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ipc::os {

/// What the kernel calls one end of a stream socket: a path, or an IPv4 or IPv6 address and a port. A value.
class SocketAddress {
 public:
  /// An address of no family.
  SocketAddress() noexcept = default;
  /// As the kernel wrote it: a `sockaddr` of some family. Longer ones are cut.
  explicit SocketAddress(std::span<const std::byte> bytes) noexcept;
  /// At most 107 bytes without a zero byte: `std::invalid_argument` otherwise.
  static SocketAddress of_path(const std::string& path);

  int family() const noexcept;
  bool is_tcp() const noexcept;
  /// Only processes of this machine can be at, or reach, a loopback address; those of unix sockets count.
  bool is_loopback() const noexcept;
  /// Of a unix socket; empty when it has none.
  std::string path() const;
  /// Of a TCP socket, numeric.
  std::string host() const;
  std::uint16_t port() const noexcept;

  std::span<const std::byte> bytes() const noexcept { return std::span(bytes_).first(size_); }
  friend bool operator==(const SocketAddress& a, const SocketAddress& b) noexcept { return a.size_ == b.size_ && a.bytes_ == b.bytes_; }

 private:
  alignas(8) std::array<std::byte, 128> bytes_{};
  std::size_t size_ = 0;
};

/// The TCP addresses of a host, IPv4 before IPv6, which Python does not try: at least one. Asks the resolver and may block
/// as long as that takes. Throws `std::system_error` naming the host.
std::vector<SocketAddress> resolve(const std::string& host, std::uint16_t port);

}  // namespace ipc::os
