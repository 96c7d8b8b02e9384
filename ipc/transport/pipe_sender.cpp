#include "ipc/transport/pipe_sender.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <utility>

#include <ipc/detail/copy.hpp>
#include <ipc/detail/prefetch.hpp>
#include <ipc/error.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/ticks.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/transport/crowding.hpp"

namespace ipc::transport {
namespace {

/// What streams through the ring is published in such pieces, so that both sides copy at the same time.
constexpr std::size_t piece = 64 * 1024;
constexpr std::size_t fds_per_packet = 250;

/// How long a sender sleeps before it asks whether its peer lives: at first, and at most.
constexpr std::chrono::milliseconds first_nap(5);
constexpr std::chrono::milliseconds longest_nap(200);

[[noreturn]] void fail_broken_pipe() {
  throw BrokenPipe("The message was not sent: the other end of the connection is closed, or its process has ended.");
}

bool hung_up(int socket) {
  std::array<os::PollEntry, 1> entry{os::PollEntry{.fd = socket}};
  os::poll(entry, detail::Deadline::expired_already());
  return entry[0].hung_up;
}

}  // namespace

PipeSender::PipeSender(PipeDirection& direction, std::byte* data, std::size_t capacity, int socket) noexcept
    : direction_(&direction), ring_(direction.ring, data, capacity), socket_(socket) {}

std::span<std::byte> PipeSender::room() {
  begin();
  // A look at the consumer's progress costs a cache miss; what does not fit in so little goes by way of the heap.
  const auto room = ring_.room(256);
  const std::size_t usable = room.size() & ~std::size_t{7};
  return usable > sizeof(MessageHeader) ? room.subspan(sizeof(MessageHeader), usable - sizeof(MessageHeader)) : std::span<std::byte>();
}

void PipeSender::send(Kind kind, detail::Writer& message) {
  const auto fds = message.fds().size();
  if (fds > MessageHeader::max_fds) throw EncodingError("A message carries more than 4095 descriptors. Send them in several.");
  const auto header = MessageHeader::pack(message.size(), static_cast<unsigned>(kind), fds);
  if (fds != 0) send_fds(message.fds());
  std::byte* const at = ring_.room(0).data();
  if (message.view().data() != at + sizeof header) {
    write(header, message.view());
  } else {
    // Its bytes stand in the ring already.
    std::memcpy(at, &header, sizeof header);
    ring_.advance(static_cast<std::size_t>(header.total()));
    publish(fds != 0);
  }
  mind_peer();
}

void PipeSender::send_bytes(std::span<const std::byte> bytes) {
  begin();
  write(MessageHeader::pack(bytes.size(), static_cast<unsigned>(Kind::bytes), 0), bytes);
  mind_peer();
}

void PipeSender::begin() {
  // relaxed: these words are the senders' own.
  if (direction_->producer.announced.load(std::memory_order_relaxed) != ring_.position()) ring_.resume();
  if (direction_->producer.promised.load(std::memory_order_relaxed) > ring_.position()) {
    require_peer();  // It may have been the peer's going that cut the message short.
    throw BrokenPipe("Nothing can be sent any more: a process that had this end of the connection died in the middle of a message.");
  }
}

/// Only when the message is on its way: a peer that is there need not wait for it until it has been looked for.
void PipeSender::mind_peer() {
  if (peer_in_doubt() && !peer_is_there()) require_taken();
}

/// A peer that died while it was awake tells nobody. So unless it is seen to go on, it is asked for every now and then.
bool PipeSender::peer_in_doubt() {
  // relaxed: seen a little late is as if the message had been sent a little earlier.
  const bool closed = direction_->rare.closings.load(std::memory_order_relaxed) != closings_seen_;
  const std::uint64_t since = base::ticks() - looked_at_;
  if (closed || since >= 2 * base::ticks_in_ten_microseconds()) return true;
  if (since < base::ticks_in_ten_microseconds()) return false;
  ring_.refresh();
  if (std::exchange(head_looked_at_, ring_.head_seen()) == ring_.head_seen()) return true;
  looked_at_ = base::ticks();
  return false;
}

bool PipeSender::peer_is_there() {
  closings_seen_ = direction_->rare.closings.load(std::memory_order_acquire);
  const bool there = !hung_up(socket_);
  looked_at_ = there ? base::ticks() : 0;  // Whoever is gone stays in doubt.
  return there;
}

void PipeSender::require_peer() {
  if (!peer_is_there()) fail_broken_pipe();
}

/// Of a peer that has gone: it may have taken all that was sent before it went.
void PipeSender::require_taken() {
  ring_.refresh();
  if (ring_.head_seen() != ring_.position()) fail_broken_pipe();
}

void PipeSender::write(MessageHeader header, std::span<const std::byte> bytes) {
  const auto total = static_cast<std::size_t>(header.total());
  if (total > piece || ring_.room(total).size() < total) {
    stream(header, bytes);
    return;
  }
  std::byte* at = ring_.room(0).data();
  std::memcpy(at, &header, sizeof header);
  detail::copy_bytes(at + sizeof header, bytes.data(), bytes.size());
  ring_.advance(total);
  publish(header.fds() != 0);
}

void PipeSender::stream(MessageHeader header, std::span<const std::byte> bytes) {
  const auto total = static_cast<std::size_t>(header.total());
  direction_->producer.promised.store(ring_.position() + total, std::memory_order_relaxed);
  IPC_KILL_POINT("pipe.promised");
  for (std::size_t written = 0; written < total;) {
    const std::size_t rest = total - written;
    const auto room = ring_.room(std::min(rest, piece));
    const std::size_t size = std::min({rest, piece, room.size() & ~std::size_t{7}});
    if (size == 0) {
      wait_for_room(std::min(rest, ring_.capacity() / 4));
      continue;
    }
    std::byte* at = room.data();
    std::size_t part = size;
    if (written == 0) {
      std::memcpy(at, &header, sizeof header);
      at += sizeof header;
      part -= sizeof header;
    }
    const std::size_t offset = written == 0 ? 0 : written - sizeof header;
    if (offset < bytes.size()) detail::copy_bytes(at, bytes.data() + offset, std::min(part, bytes.size() - offset));
    ring_.advance(size);
    publish(written == 0 && header.fds() != 0);
    written += size;
  }
}

/// `behind_descriptors`: some were sent since the last time.
void PipeSender::publish(bool behind_descriptors) {
  direction_->producer.announced.store(ring_.position(), std::memory_order_relaxed);
  IPC_KILL_POINT("pipe.before_publish");
  const bool wanted = ring_.publish_and_ask();
  // Where the next message will begin: the consumer read these lines a lap ago and has them still.
  std::byte* const next = ring_.room(0).data();
  detail::prefetch_to_write(next);
  detail::prefetch_to_write(next + 64);
  // SUBTLE: when the bell was rung earlier it lies in the socket before the descriptors; the consumer takes it out to get at
  // them, so there has to be another.
  if (!wanted && !behind_descriptors) return;
  IPC_KILL_POINT("pipe.before_bell");
  // relaxed: a hint.
  direction_->producer.cpu.store(Crowding::here(), std::memory_order_relaxed);
  const bool there = send_packet({PipePacket::Kind::doorbell, 0}, {});
  looked_at_ = there ? base::ticks() : 0;
  if (!there) require_taken();
}

void PipeSender::send_fds(std::vector<Fd>& fds) {
  for (std::size_t sent = 0; sent < fds.size();) {
    std::array<int, fds_per_packet> numbers{};
    const std::size_t count = std::min(fds.size() - sent, numbers.size());
    for (std::size_t i = 0; i < count; ++i) numbers[i] = fds[sent + i].get();
    if (!send_packet({PipePacket::Kind::descriptors, ring_.position()}, std::span(numbers).first(count))) fail_broken_pipe();
    sent += count;
  }
  IPC_KILL_POINT("pipe.descriptors_sent");
}

/// False when the peer has gone.
bool PipeSender::send_packet(PipePacket packet, std::span<const int> fds) {
  for (;;) {
    switch (os::send_packet(socket_, std::as_bytes(std::span(&packet, 1)), fds, false)) {
      case os::SendStatus::sent:
        return true;
      case os::SendStatus::closed:
        return false;
      case os::SendStatus::would_block:
        break;
    }
    // Some hundred packets with descriptors are unread.
    std::array<os::PollEntry, 1> entry{os::PollEntry{.fd = socket_, .for_writing = true}};
    os::poll(entry, detail::Deadline::never());
  }
}

void PipeSender::wait_for_room(std::size_t wanted) {
  auto& rare = direction_->rare;
  const auto ready = [&] { return ring_.room(wanted).size() >= wanted || rare.closings.load(std::memory_order_relaxed) != closings_seen_; };
  auto nap = first_nap;
  while (!rare.room.wait(ready, detail::Deadline::after(nap))) {
    require_peer();
    nap = std::min(2 * nap, longest_nap);
  }
  if (rare.closings.load(std::memory_order_relaxed) != closings_seen_) require_peer();
}

}  // namespace ipc::transport
