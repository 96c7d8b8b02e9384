#include "ipc/transport/wire.hpp"

#include <array>
#include <utility>

#include <ipc/detail/deadline.hpp>
#include <ipc/error.hpp>

#include "ipc/os/poll.hpp"

namespace ipc::transport {

using os::StreamResult;
using os::StreamStatus;

namespace {

constexpr std::size_t record_size = 16384;

}  // namespace

Wire::Needs Wire::shake_hands() {
  if (tls_ == nullptr) return Needs::nothing;
  bool closed = false;
  for (;;) {
    bool done = false;
    try {
      done = tls_->shake_hands();
    } catch (const AuthenticationError&) {
      send_outgoing(false, closed);  // So that the peer knows why.
      throw;
    }
    if (!send_outgoing(false, closed)) return Needs::output;
    if (done) return Needs::nothing;
    std::array<std::byte, record_size> buffer;
    const auto got = os::receive_stream(socket_.get(), buffer, nullptr, false);
    if (got.status == StreamStatus::would_block) return Needs::input;
    if (closed || got.status == StreamStatus::closed) throw AuthenticationError("The peer closed the connection during the TLS handshake.");
    tls_->feed(std::span(buffer).first(got.size));
  }
}

StreamResult Wire::receive(std::span<std::byte> room, std::vector<Fd>* fds, bool block) {
  if (tls_ == nullptr) return os::receive_stream(socket_.get(), room, fds, block);
  for (;;) {
    if (const std::size_t size = tls_->read(room); size != 0) return {StreamStatus::moved, size};
    std::array<std::byte, record_size> buffer;
    const auto got = os::receive_stream(socket_.get(), buffer, nullptr, false);
    if (got.status == StreamStatus::closed) return got;
    if (got.status == StreamStatus::moved) {
      tls_->feed(std::span(buffer).first(got.size));
    } else if (block) {
      os::wait_readable(socket_.get(), detail::Deadline::never());
    } else {
      return got;
    }
  }
}

StreamResult Wire::send(std::span<const std::span<const std::byte>> pieces, std::span<const int> fds, bool block) {
  if (tls_ == nullptr) return os::send_stream(socket_.get(), pieces, fds, block);
  if (encrypted_ == 0) {
    for (const auto bytes : pieces) {
      if (bytes.empty()) continue;
      const std::size_t part = tls_->write(bytes);
      encrypted_ += part;
      if (part != bytes.size() || encrypted_ >= record_size) break;
    }
  }
  bool closed = false;
  if (!send_outgoing(block, closed)) return {StreamStatus::would_block, 0};
  if (closed) return {StreamStatus::closed, 0};
  return {StreamStatus::moved, std::exchange(encrypted_, 0)};
}

bool Wire::send_outgoing(bool block, bool& closed) {
  while (!closed) {
    const std::array bytes{tls_->outgoing()};
    if (bytes[0].empty()) return true;
    const auto result = os::send_stream(socket_.get(), bytes, {}, block);
    if (result.status == StreamStatus::would_block) return false;
    if (result.status == StreamStatus::closed) closed = true;
    tls_->sent(result.size);
  }
  return true;
}

}  // namespace ipc::transport
