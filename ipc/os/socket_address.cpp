#include "ipc/os/socket_address.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace ipc::os {
namespace {

static_assert(sizeof(sockaddr_storage) <= 128 && sizeof(sockaddr_un) <= 128);

/// A `sockaddr_…` out of bytes that are aligned for it, zero-filled where they are too few.
template <class T>
T read(std::span<const std::byte> bytes) noexcept {
  T value{};
  std::memcpy(&value, bytes.data(), std::min(sizeof(T), bytes.size()));
  return value;
}

template <class T>
std::span<const std::byte> bytes_of(const T& value) noexcept {
  return std::as_bytes(std::span(&value, 1));
}

bool is_loopback_v4(std::uint32_t host_order) noexcept { return host_order >> 24 == 127; }

}  // namespace

SocketAddress::SocketAddress(std::span<const std::byte> bytes) noexcept : size_(std::min(bytes.size(), bytes_.size())) {
  std::copy_n(bytes.begin(), size_, bytes_.begin());
}

SocketAddress SocketAddress::of_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) {
    throw std::invalid_argument("A unix socket's path has 1 to 107 bytes and no zero byte; \"" + path + "\" does not.");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return SocketAddress(bytes_of(address).first(offsetof(sockaddr_un, sun_path) + path.size() + 1));
}

int SocketAddress::family() const noexcept {
  return size_ < sizeof(sa_family_t) ? AF_UNSPEC : static_cast<int>(read<sa_family_t>(bytes()));
}

bool SocketAddress::is_tcp() const noexcept { return family() == AF_INET || family() == AF_INET6; }

bool SocketAddress::is_loopback() const noexcept {
  if (family() == AF_UNIX) return true;
  if (family() == AF_INET) return is_loopback_v4(ntohl(read<sockaddr_in>(bytes()).sin_addr.s_addr));
  if (family() != AF_INET6) return false;
  const auto address = read<sockaddr_in6>(bytes()).sin6_addr;
  if (IN6_IS_ADDR_LOOPBACK(&address)) return true;
  std::uint32_t mapped = 0;
  std::memcpy(&mapped, address.s6_addr + 12, sizeof mapped);
  return IN6_IS_ADDR_V4MAPPED(&address) && is_loopback_v4(ntohl(mapped));
}

std::string SocketAddress::path() const {
  if (family() != AF_UNIX || size_ <= offsetof(sockaddr_un, sun_path)) return {};
  const auto address = read<sockaddr_un>(bytes());
  return {address.sun_path, ::strnlen(address.sun_path, size_ - offsetof(sockaddr_un, sun_path))};
}

std::string SocketAddress::host() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (family() == AF_INET) {
    const auto address = read<sockaddr_in>(bytes()).sin_addr;
    ::inet_ntop(AF_INET, &address, text.data(), text.size());
  } else if (family() == AF_INET6) {
    const auto address = read<sockaddr_in6>(bytes()).sin6_addr;
    ::inet_ntop(AF_INET6, &address, text.data(), text.size());
  }
  return text.data();
}

std::uint16_t SocketAddress::port() const noexcept {
  if (family() == AF_INET) return ntohs(read<sockaddr_in>(bytes()).sin_port);
  return family() == AF_INET6 ? ntohs(read<sockaddr_in6>(bytes()).sin6_port) : std::uint16_t{0};
}

std::vector<SocketAddress> resolve(const std::string& host, std::uint16_t port) {
  addrinfo wanted{};
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found);
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> guard(found, [](addrinfo* list) {
    if (list != nullptr) ::freeaddrinfo(list);
  });
  // RFC 6761: that name is this machine's, whatever the resolver is told. A bare system has no /etc/hosts that would tell it.
  if (error != 0 && host == "localhost") return resolve("127.0.0.1", port);
  if (error == EAI_SYSTEM) throw std::system_error(errno, std::generic_category(), "getaddrinfo: host \"" + host + "\"");
  std::vector<SocketAddress> addresses;
  for (const addrinfo* entry = found; error == 0 && entry != nullptr; entry = entry->ai_next) {
    if (entry->ai_family != AF_INET && entry->ai_family != AF_INET6) continue;
    addresses.emplace_back(std::span(reinterpret_cast<const std::byte*>(entry->ai_addr), entry->ai_addrlen));
  }
  if (addresses.empty()) {
    throw std::system_error(EADDRNOTAVAIL, std::generic_category(),
                            "getaddrinfo: there is no host \"" + host + "\" (" + (error == 0 ? "no address" : ::gai_strerror(error)) + ")");
  }
  std::stable_partition(addresses.begin(), addresses.end(), [](const SocketAddress& address) { return address.family() == AF_INET; });
  return addresses;
}

}  // namespace ipc::os
