#include "ipc/transport/address.hpp"

#include <charconv>
#include <stdexcept>

namespace ipc::transport {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::string_view tcp_prefix = "tcp://";
/// What `sockaddr_un` holds, less the final zero.
constexpr std::size_t longest_path = 107;

[[noreturn]] void refuse(std::string_view address, const std::string& why) {
  throw std::invalid_argument("The address \"" + std::string(address) + "\" " + why);
}

Address parse_unix(std::string_view address) {
  const std::string_view path = address.substr(unix_prefix.size());
  if (path.empty()) refuse(address, "has no path: write unix:/path/to/socket.");
  if (path.front() == '\0') {
    refuse(unix_prefix,
           "with a zero byte would be an abstract socket, which every user of the machine may take: write unix:/path/to/socket.");
  }
  if (path.find('\0') != std::string_view::npos) refuse(unix_prefix, "has a zero byte in its path.");
  if (path.size() > longest_path) {
    refuse(address, "has a path of " + std::to_string(path.size()) + " bytes; the kernel takes at most " + std::to_string(longest_path) +
                        " for a socket: use a shorter one.");
  }
  Address result;
  result.family = Address::Family::unix_socket;
  result.path = path;
  return result;
}

std::uint16_t parse_port(std::string_view address, std::string_view port) {
  std::uint16_t value = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (port.empty() || error != std::errc() || end != port.data() + port.size()) {
    refuse(address, "needs a port from 0 (the kernel picks one) to 65535: write tcp://host:port.");
  }
  return value;
}

Address parse_tcp(std::string_view address) {
  std::string_view rest = address.substr(tcp_prefix.size());
  if (rest.find('\0') != std::string_view::npos) refuse(tcp_prefix, "has a zero byte in its host.");
  Address result;
  result.family = Address::Family::tcp;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) refuse(address, "lacks the closing bracket of an IPv6 address: write tcp://[::1]:port.");
    result.host = rest.substr(1, end - 1);
    if (result.host.find(':') == std::string::npos) refuse(address, "has brackets around something that is no IPv6 address.");
    rest.remove_prefix(end + 1);
    if (!rest.starts_with(':')) refuse(address, "has no port: write tcp://[::1]:port.");
  } else {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos) refuse(address, "has no port: write tcp://host:port.");
    if (rest.find(':', colon + 1) != std::string_view::npos)
      refuse(address, "has an IPv6 address without brackets: write tcp://[::1]:port.");
    result.host = rest.substr(0, colon);
    rest.remove_prefix(colon);
    if (result.host.empty()) refuse(address, "has no host: write tcp://127.0.0.1:port, or tcp://0.0.0.0:port for every interface.");
    if (result.host.find_first_of("/ @[]") != std::string::npos) refuse(address, "has a character in its host that no host has.");
  }
  result.port = parse_port(address, rest.substr(1));
  return result;
}

}  // namespace

Address Address::parse(std::string_view text) {
  if (text.empty()) return {};
  if (text.starts_with(unix_prefix)) return parse_unix(text);
  if (text.starts_with(tcp_prefix)) return parse_tcp(text);
  refuse(text, "is neither unix:/path nor tcp://host:port.");
}

std::string Address::text() const {
  switch (family) {
    case Family::any:
      return {};
    case Family::unix_socket:
      return unix_address(path);
    case Family::tcp:
      return tcp_address(host, port);
  }
  return {};
}

std::string unix_address(std::string_view path) { return std::string(unix_prefix).append(path); }

std::string tcp_address(std::string_view host, std::uint16_t port) {
  const bool bracketed = host.find(':') != std::string_view::npos;
  std::string text(tcp_prefix);
  if (bracketed) text += '[';
  text += host;
  if (bracketed) text += ']';
  return text + ":" + std::to_string(port);
}

}  // namespace ipc::transport
