// libFuzzer: what a stranger says in a handshake. It does not know the key, so that it is never trusted, whatever it says; it
// may know what CPython's messages look like. The first byte chooses the side; each message is behind a byte of its size.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "ipc/transport/address.hpp"
#include "ipc/transport/challenge.hpp"

namespace {

using ipc::Bytes;
using ipc::transport::Handshake;
using ipc::transport::Side;

Bytes bytes_of(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

void talk(Side side, std::span<const std::byte> rest) {
  Handshake::Random random{};
  random[0] = std::byte{42};
  Handshake handshake(side, bytes_of("a key that nobody guesses: 0d1c7f52a1"), random);
  const Bytes begin = handshake.begin();
  if (begin.size() != (side == Side::listener ? 59U : 0U)) std::abort();
  while (!rest.empty()) {
    const std::size_t size = std::min<std::size_t>(std::to_integer<unsigned>(rest.front()), rest.size() - 1);
    const bool over = handshake.state() != Handshake::State::running;
    const Bytes reply = handshake.receive(rest.subspan(1, size));
    if (reply.size() > Handshake::max_message || (over && !reply.empty())) std::abort();
    rest = rest.subspan(1 + size);
    if (handshake.state() == Handshake::State::trusted) std::abort();
    if ((handshake.state() == Handshake::State::refused) == handshake.reason().empty()) std::abort();
  }
}

void parse_address(std::string_view text) {
  using ipc::transport::Address;
  try {
    const Address address = Address::parse(text);
    // What was read is written so that it reads the same.
    const Address again = Address::parse(address.text());
    if (again.family != address.family || again.path != address.path || again.host != address.host || again.port != address.port)
      std::abort();
  } catch (const std::invalid_argument&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto rest = std::as_bytes(std::span(data + 1, size - 1));
  switch (data[0] % 3) {
    case 0:
      talk(Side::listener, rest);
      break;
    case 1:
      talk(Side::client, rest);
      break;
    default:
      parse_address({reinterpret_cast<const char*>(rest.data()), rest.size()});
      break;
  }
  return 0;
}
