#include "ipc/transport/authenticator.hpp"

#include <array>
#include <system_error>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/random.hpp"
#include "ipc/os/stream_socket.hpp"

namespace ipc::transport {
namespace {

Handshake::Random fresh_random() {
  Handshake::Random random;
  os::fill_random(random);
  return random;
}

}  // namespace

Authenticator::Authenticator(Wire wire, Side side, Bytes key)
    : wire_(std::move(wire)), encrypted_(!wire_.encrypts()), handshake_(side, std::move(key), fresh_random()) {
  post(handshake_.begin());
}

Authenticator::Needs Authenticator::advance() {
  try {
    if (!encrypted_) {
      if (const auto needs = wire_.shake_hands(); needs != Needs::nothing) return needs;
      encrypted_ = true;
    }
    while (failure_.empty()) {
      if (!send()) return Needs::output;
      if (!failure_.empty()) break;
      if (handshake_.state() == Handshake::State::refused) fail(handshake_.reason());
      if (handshake_.state() != Handshake::State::running) break;
      if (!receive()) return Needs::input;
    }
  } catch (const std::system_error& error) {
    fail(std::string("The connection failed during authentication: ") + error.what() + ".");
  } catch (const AuthenticationError& error) {
    fail(error.what());
  }
  return Needs::nothing;
}

void Authenticator::post(const Bytes& message) {
  outgoing_.clear();
  sent_ = 0;
  if (message.empty()) return;
  const FrameHeader header(message.size());
  outgoing_.assign(header.bytes().begin(), header.bytes().end());
  outgoing_.insert(outgoing_.end(), message.begin(), message.end());
}

bool Authenticator::send() {
  while (sent_ < outgoing_.size()) {
    const std::array pieces{std::span<const std::byte>(outgoing_).subspan(sent_)};
    const auto result = wire_.send(pieces, {}, false);
    if (result.status == os::StreamStatus::would_block) return false;
    if (result.status == os::StreamStatus::closed) {
      // What it said before it left counts more: that it refused us, say.
      if (handshake_.state() == Handshake::State::refused) return true;
      fail("The peer closed the connection while we waited for " + handshake_.awaited() + ".");
      return true;
    }
    sent_ += result.size;
  }
  return true;
}

bool Authenticator::receive() {
  const auto result = wire_.receive(reader_.room(), nullptr, false);
  if (result.status == os::StreamStatus::would_block) return false;
  if (result.status == os::StreamStatus::closed) {
    fail("The peer closed the connection while we waited for " + handshake_.awaited() + ".");
    return true;
  }
  received_ += result.size;
  switch (reader_.advance(result.size)) {
    case FrameStatus::incomplete:
      break;
    case FrameStatus::complete:
      post(handshake_.receive(reader_.message()));
      reader_.next();
      break;
    case FrameStatus::too_long:
      fail("The peer announced a message of " + std::to_string(reader_.announced()) + " bytes before it was authenticated; at most " +
           std::to_string(Handshake::max_message) + " are accepted.");
      break;
    case FrameStatus::malformed:
      fail("The peer does not speak this protocol: what it sent does not begin with a message's size.");
      break;
  }
  return true;
}

}  // namespace ipc::transport
