#include "ipc/manager/client_line.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <utility>

#include "ipc/manager/rings.hpp"
#include "ipc/os/stream_socket.hpp"

namespace ipc::manager {

using transport::FrameStatus;

namespace {

/// All that a stranger has to say fits in there.
constexpr std::size_t max_greeting = 256;
constexpr std::size_t fds_per_message = 253;
/// A larger buffer is given back.
constexpr std::size_t max_kept = std::size_t{1} << 16;

}  // namespace

ClientLine::ClientLine(transport::Wire wire)
    : wire_(std::move(wire)), passes_descriptors_(os::passes_descriptors(wire_.fd())), reader_(max_greeting) {}

ClientLine::Heard ClientLine::listen_at_socket() {
  by_rings_ = false;
  for (int pieces = 0; pieces < 4; ++pieces) {
    const auto result = wire_.receive(reader_.room(), passes_descriptors_ ? &received_fds_ : nullptr, false);
    if (result.status == os::StreamStatus::would_block) return Heard::nothing;
    if (result.status == os::StreamStatus::closed || result.lost_fds || received_fds_.size() > fds_per_message) return Heard::end;
    const auto status = reader_.advance(result.size);
    if (status == FrameStatus::complete) return Heard::request;
    if (status != FrameStatus::incomplete) return Heard::end;
  }
  return Heard::nothing;
}

ClientLine::Heard ClientLine::listen_at_rings() {
  by_rings_ = true;
  return rings_->receive(ring_request_) ? Heard::request : Heard::nothing;
}

void ClientLine::forget_request() noexcept {
  if (by_rings_) return;
  received_fds_.clear();
  reader_.next();
}

bool ClientLine::answer(detail::Writer& answer) {
  if (by_rings_) {
    if (fits_rings(answer)) return rings_->send(answer.view());
    if (!rings_->send({})) return false;
  }
  const transport::FrameHeader header(answer.size());
  unsent_.assign(header.bytes().begin(), header.bytes().end());
  unsent_.insert(unsent_.end(), answer.view().begin(), answer.view().end());
  sent_ = 0;
  fds_ = std::move(answer.fds());
  answer.fds().clear();
  const bool can_be_sent = fds_.empty() || (passes_descriptors_ && fds_.size() <= fds_per_message);
  return can_be_sent && flush();
}

bool ClientLine::flush() {
  try {
    while (sent_ != unsent_.size()) {
      std::array<int, fds_per_message> fds{};
      std::ranges::transform(fds_, fds.begin(), [](const Fd& fd) { return fd.get(); });
      const std::array pieces{std::span<const std::byte>(unsent_).subspan(sent_)};
      const auto result = wire_.send(pieces, std::span(fds).first(fds_.size()), false);
      if (result.status == os::StreamStatus::would_block) return true;
      if (result.status == os::StreamStatus::closed) return false;
      sent_ += result.size;
      fds_.clear();
    }
  } catch (const std::exception&) {
    return false;
  }
  if (unsent_.capacity() > max_kept)
    unsent_ = Bytes();
  else
    unsent_.clear();
  sent_ = 0;
  return true;
}

bool ClientLine::open_rings(detail::Writer& answer) {
  if (!passes_descriptors_ || rings_ != nullptr) return false;
  rings_ = std::make_unique<transport::WaryPipe>(ring_capacity, answer);
  return true;
}

}  // namespace ipc::manager
