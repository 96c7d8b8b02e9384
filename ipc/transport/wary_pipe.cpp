#include "ipc/transport/wary_pipe.hpp"

#include <array>
#include <cstring>
#include <exception>
#include <utility>
#include <vector>

#include <ipc/detail/connection_core.hpp>

#include "ipc/os/socket.hpp"
#include "ipc/transport/crowding.hpp"
#include "ipc/transport/pipe.hpp"

namespace ipc::transport {
namespace {

using detail::ConnectionCore;

/// Of one client at a time: others are waiting.
constexpr int bells_at_once = 4;

}  // namespace

WaryPipe::WaryPipe(std::size_t capacity, detail::Writer& other_end)
    : WaryPipe(PipeMemory::create(capacity), os::packet_socket_pair(), other_end) {}

WaryPipe::WaryPipe(PipeMemory memory, std::pair<Fd, Fd> sockets, detail::Writer& other_end)
    : memory_(std::move(memory)),
      socket_(std::move(sockets.first)),
      outgoing_(memory_.words().directions[0].ring, memory_.data(0), memory_.capacity()),
      incoming_(memory_.words().directions[1].ring, memory_.data(1), memory_.capacity()),
      wanted_(sizeof(MessageHeader)) {
  encode_second_end(memory_.take_fd(), std::move(sockets.second), other_end);
}

WaryPipe::~WaryPipe() {
  socket_.reset();
  // As a pipe's end does: a client that waits for room asks the kernel whether anybody is left.
  auto& rare = memory_.words().directions[1].rare;
  rare.closings.fetch_add(1, std::memory_order_release);
  rare.room.notify_all();
}

bool WaryPipe::receive(Bytes& into) {
  wanted_ = sizeof(MessageHeader);
  const auto begun = incoming_.readable(wanted_);
  if (begun.size() < wanted_) return false;
  // SUBTLE: read once. The other end can still write there, so nothing that was checked is read again.
  MessageHeader header;
  std::memcpy(&header, begun.data(), sizeof header);
  if (header.kind() != static_cast<unsigned>(ConnectionCore::Kind::bytes) || header.fds() != 0 || header.total() > incoming_.capacity()) {
    fail_corrupt_ring();
  }
  const auto total = static_cast<std::size_t>(header.total());
  const auto whole = incoming_.readable(total);
  if (whole.size() < total) {
    wanted_ = total;
    return false;
  }
  const auto message = whole.subspan(sizeof header, static_cast<std::size_t>(header.size()));
  into.assign(message.begin(), message.end());
  incoming_.consume(total);
  auto& room = memory_.words().directions[1].rare.room;
  if (room.sleeper_seen()) room.notify_all();
  return true;
}

bool WaryPipe::stirs() noexcept {
  try {
    return incoming_.readable(wanted_).size() >= wanted_;
  } catch (const std::exception&) {
    return true;  // `receive` will say so, too.
  }
}

std::uint32_t WaryPipe::peer_cpu() const noexcept {
  // relaxed: a hint, and whatever stands there is one.
  return memory_.words().directions[1].producer.cpu.load(std::memory_order_relaxed);
}

bool WaryPipe::ask_for_bell() noexcept {
  // Whoever waits for room must know now.
  memory_.words().directions[1].rare.room.notify_all();
  for (;;) {
    if (stirs()) return false;
    if (incoming_.bell_is_wanted() || incoming_.want_bell()) return true;
  }
}

bool WaryPipe::answer_bell() {
  for (int i = 0; i < bells_at_once; ++i) {
    std::array<std::byte, sizeof(PipePacket)> packet{};
    std::vector<Fd> thrown_away;
    const auto got = os::receive_packet(socket_.get(), packet, thrown_away, false);
    if (got.status == os::ReceiveStatus::closed) return false;
    if (got.status == os::ReceiveStatus::would_block) break;
  }
  return true;
}

bool WaryPipe::send(std::span<const std::byte> message) {
  const auto header = MessageHeader::pack(message.size(), static_cast<unsigned>(ConnectionCore::Kind::bytes), 0);
  if (header.total() > outgoing_.capacity()) return false;
  const auto total = static_cast<std::size_t>(header.total());
  const auto room = outgoing_.room(total);
  if (room.size() < total) return false;
  std::memcpy(room.data(), &header, sizeof header);
  if (!message.empty()) std::memcpy(room.data() + sizeof header, message.data(), message.size());
  outgoing_.advance(total);
  if (outgoing_.publish_and_ask()) {
    // relaxed: a hint.
    memory_.words().directions[0].producer.cpu.store(Crowding::here(), std::memory_order_relaxed);
    // A socket full of unread doorbells is a doorbell; that nobody is there any more, it will tell itself.
    const PipePacket packet;
    os::send_packet(socket_.get(), std::as_bytes(std::span(&packet, 1)), {}, false);
  }
  return true;
}

}  // namespace ipc::transport
