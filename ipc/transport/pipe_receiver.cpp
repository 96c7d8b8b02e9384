#include "ipc/transport/pipe_receiver.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <iterator>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include <ipc/detail/copy.hpp>
#include <ipc/error.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/socket.hpp"

namespace ipc::transport {
namespace {

/// So many bytes are freed before the producer is looked for with all due care; a glance costs nothing and is taken each time.
constexpr std::size_t notice_interval = 32 * 1024;
constexpr std::size_t copied_piece = 64 * 1024;
/// What a header promises is believed so far.
constexpr std::size_t believed = std::size_t{64} << 20;
/// A doorbell on its way needs microseconds; one that takes so long was lost with its ringer.
constexpr std::chrono::milliseconds bell_is_lost(100);
/// How long to sleep while descriptors lie in the socket whose message is still to come: at first, and at most.
constexpr std::chrono::microseconds first_doze(50);
constexpr std::chrono::microseconds longest_doze(2000);

/// Whose message this thread waited for last.
thread_local const PipeReceiver* waited_for = nullptr;

[[noreturn]] void fail_too_long(std::uint64_t size, std::uint64_t max_size) {
  throw std::system_error(EMSGSIZE, std::generic_category(),
                          "bad message length: a message of " + std::to_string(size) + " bytes came where at most " +
                              std::to_string(max_size) + " were allowed. Nothing can be received from this connection any more");
}

[[noreturn]] void fail_end() { throw EndOfFile("The other end of the connection is closed, or its process has ended."); }

}  // namespace

PipeReceiver::PipeReceiver(PipeDirection& direction, const std::byte* data, std::size_t capacity, int socket) noexcept
    : direction_(&direction), ring_(direction.ring, data, capacity), socket_(socket) {}

// --- messages ----------------------------------------------------------------------------------------------------------

/// Waits for the next message, or its beginning.
MessageHeader PipeReceiver::next_header() {
  resume();
  if (known() == 0) {
    const bool others = std::exchange(waited_for, this) != this;
    patience_.pause([this] { return ring_.readable(known() + 1).size(); }, others);
  }
  require(sizeof(MessageHeader));
  MessageHeader header;
  const std::byte* at = ring_.readable(0).data();
  // The header says only after a cache miss how much there is; what a small message has besides may come at the same time.
  __builtin_prefetch(at + 64);
  std::memcpy(&header, at, sizeof header);
  return header;
}

std::optional<std::size_t> PipeReceiver::receive_plain(std::span<std::byte> into) {
  const MessageHeader header = next_header();
  const auto size = static_cast<std::size_t>(header.size());
  const auto total = static_cast<std::size_t>(header.total());
  if (header.kind() > static_cast<unsigned>(detail::ConnectionCore::Kind::typed) || header.fds() != 0 || size > into.size() || !has(total))
    return std::nullopt;
  detail::copy_bytes(into.data(), ring_.readable(0).data() + sizeof header, size);
  consume(total);
  // relaxed: set by whoever receives.
  if (direction_->consumer.watched.load(std::memory_order_relaxed) != 0) keep_silent();
  return size;
}

PipeReceiver::Incoming PipeReceiver::receive(std::uint64_t max_size, std::span<std::byte> into) {
  const MessageHeader header = next_header();
  const std::uint64_t position = ring_.position();
  if (header.kind() > static_cast<unsigned>(detail::ConnectionCore::Kind::typed)) fail_corrupt_ring();
  if (header.size() > max_size) fail_too_long(header.size(), max_size);
  if (header.fds() != 0) take_fds(position + header.total(), header.fds());
  settled_ = position + 1;
  Incoming message;
  // What goes into the caller's memory anyway goes there while it comes, if it is long.
  const bool streamed = header.total() > ring_.capacity() || (header.total() > copied_piece && header.size() <= into.size());
  if (!streamed) {
    const auto total = static_cast<std::size_t>(header.total());
    require(total);
    to_release_ = total;
    message.bytes = ring_.readable(0).subspan(sizeof header, static_cast<std::size_t>(header.size()));
  } else {
    message = assemble(header, into);
  }
  message.kind = static_cast<detail::ConnectionCore::Kind>(header.kind());
  given_ = message.bytes;
  message.fds = fds_;
  return message;
}

PipeReceiver::Incoming PipeReceiver::assemble(MessageHeader header, std::span<std::byte> into) {
  const auto size = static_cast<std::size_t>(header.size());
  direction_->consumer.owed.store(ring_.position() + header.total(), std::memory_order_relaxed);
  IPC_KILL_POINT("pipe.owed");
  const bool fits = size <= into.size();
  assembled_is_given_ = !fits;
  assembled_.clear();
  // It grows with what arrives: a promise costs nothing but addresses.
  if (!fits) assembled_.reserve(std::min(size, believed));
  consume(sizeof header);
  for (std::size_t have = 0; have < size;) {
    require(1);
    const auto part = ring_.readable(0).first(std::min({ring_.readable(0).size(), size - have, copied_piece}));
    if (fits)
      detail::copy_bytes(into.data() + have, part.data(), part.size());
    else
      detail::append_copy(assembled_, part.data(), part.size());
    consume(part.size());
    have += part.size();
  }
  const auto padding = static_cast<std::size_t>(header.total()) - sizeof header - size;
  if (padding != 0) {
    require(padding);
    consume(padding);
  }
  return {.kind = {}, .bytes = fits ? std::span<const std::byte>(into.first(size)) : std::span<const std::byte>(assembled_), .fds = {}};
}

Bytes PipeReceiver::take() {
  if (assembled_is_given_) return std::move(assembled_);
  Bytes bytes;
  bytes.reserve(given_.size());
  detail::append_copy(bytes, given_.data(), given_.size());
  return bytes;
}

void PipeReceiver::release() {
  fds_.clear();
  if (to_release_ != 0) consume(std::exchange(to_release_, 0));
  if (std::exchange(assembled_is_given_, false) && assembled_.capacity() > 4 * ring_.capacity()) assembled_ = Bytes();
  if (direction_->consumer.watched.load(std::memory_order_relaxed) != 0) keep_silent();
}

/// Goes on where the last receiver stopped: in the middle of a message, behind what is there of it. False when not all is.
bool PipeReceiver::catch_up() {
  ring_.resume();
  // relaxed: this word is the receivers' own.
  const std::uint64_t owed = direction_->consumer.owed.load(std::memory_order_relaxed);
  while (owed > ring_.position()) {
    if (!has(1)) return false;
    consume(static_cast<std::size_t>(std::min<std::uint64_t>(ring_.readable(0).size(), owed - ring_.position())));
  }
  return true;
}

void PipeReceiver::resume() {
  while (!catch_up()) await(1);
}

void PipeReceiver::consume(std::size_t size) {
  ring_.consume(size);
  unnoticed_ += size;
  if (unnoticed_ >= notice_interval || direction_->rare.room.sleeper_seen()) {
    unnoticed_ = 0;
    direction_->rare.room.notify_all();
  }
}

// --- waiting -----------------------------------------------------------------------------------------------------------

void PipeReceiver::await(std::size_t size) {
  if (wait(size, detail::Deadline::never()) == Outcome::end) fail_end();
}

bool PipeReceiver::poll(detail::Deadline deadline) {
  catch_up();
  return has(1) || wait(1, deadline) != Outcome::timed_out;
}

PipeReceiver::Outcome PipeReceiver::wait(std::size_t size, detail::Deadline deadline) {
  // Whoever waits for room must know now: nothing more is coming from here.
  unnoticed_ = 0;
  direction_->rare.room.notify_all();
  if (deadline.expired()) {
    if (ready()) return has(size) ? Outcome::data : Outcome::end;
    return has(size) ? Outcome::data : Outcome::timed_out;
  }
  // relaxed: a hint.
  const std::uint32_t peer_cpu = direction_->producer.cpu.load(std::memory_order_relaxed);
  if (crowding_.spin(
          peer_cpu, [&] { return has(size); }, deadline))
    return Outcome::data;
  for (auto doze = first_doze;; doze = std::min(2 * doze, longest_doze)) {
    if (!ask_for_bell(size)) return Outcome::data;
    IPC_KILL_POINT("pipe.before_sleep");
    std::array<os::PollEntry, 1> entry{os::PollEntry{.fd = socket_}};
    const bool woken = os::poll(entry, deadline) != 0;
    const bool there = has(size);
    crowding_.woke(there);
    if (there) return Outcome::data;
    if (entry[0].hung_up) return has(size) ? Outcome::data : Outcome::end;
    if (!woken) return Outcome::timed_out;
    if (drop_stale_bell() != Bell::behind_descriptors) continue;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(doze, deadline.remaining()));
    if (deadline.expired()) return has(size) ? Outcome::data : Outcome::timed_out;
  }
}

/// False when `size` bytes are there. Otherwise the doorbell will ring when there are more than now.
bool PipeReceiver::ask_for_bell(std::size_t size) {
  auto& bells = direction_->consumer.bells;
  for (;;) {
    if (has(size)) return false;
    if (ring_.bell_is_wanted()) return true;
    if (ring_.want_bell()) break;
  }
  // relaxed: this word is the receivers' own.
  bells.store(bells.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  IPC_KILL_POINT("pipe.bell_wanted");
  while (bells.load(std::memory_order_relaxed) > 1 && take_bell() == Bell::taken) continue;
  // SUBTLE: if a stale one was lost with its ringer, that may have been the new one.
  return !has(size);
}

/// Takes the next doorbell out of the socket, and before it descriptors that nobody needs any more. Those of a message that is
/// still to come stay, for whoever will receive it.
PipeReceiver::Bell PipeReceiver::take_bell() {
  while (const auto packet = next_packet()) {
    if (packet->kind == PipePacket::Kind::descriptors) {
      if (packet->position >= std::max(ring_.position(), settled_)) {
        // What was rung before they were sent has been taken out, or was lost with its ringer.
        auto& bells = direction_->consumer.bells;
        bells.store(std::min(bells.load(std::memory_order_relaxed), 1u), std::memory_order_relaxed);
        return Bell::behind_descriptors;
      }
      os::drop_packet(socket_);
    } else if (os::drop_packet(socket_)) {
      count_taken_bell();
      return Bell::taken;
    }
  }
  return Bell::none;
}

void PipeReceiver::count_taken_bell() {
  auto& bells = direction_->consumer.bells;
  const auto before = bells.load(std::memory_order_relaxed);
  if (before > 1) bells.store(before - 1, std::memory_order_relaxed);
}

/// For whoever watches the socket: with nothing to receive, asks for the doorbell and sees to it that no old one is left.
void PipeReceiver::keep_silent() {
  auto& bells = direction_->consumer.bells;
  if (!ask_for_bell(1)) return;
  while (bells.load(std::memory_order_relaxed) > 1) {
    if (take_bell() == Bell::taken) continue;
    if (bells.load(std::memory_order_relaxed) <= 1) return;
    // Whoever sent what was read just now found the doorbell wanted, and is about to ring it.
    std::array<os::PollEntry, 1> entry{os::PollEntry{.fd = socket_}};
    os::poll(entry, detail::Deadline::after(bell_is_lost));
    if (!entry[0].ready || entry[0].hung_up) bells.store(1, std::memory_order_relaxed);
  }
}

void PipeReceiver::watch() {
  catch_up();
  direction_->consumer.watched.store(1, std::memory_order_relaxed);
  keep_silent();
}

bool PipeReceiver::glance() {
  catch_up();
  if (has(1)) return true;
  // Whoever waits for room must know now: nothing more is coming from here.
  if (std::exchange(unnoticed_, 0) != 0) direction_->rare.room.notify_all();
  return false;
}

bool PipeReceiver::arm() {
  catch_up();
  unnoticed_ = 0;
  direction_->rare.room.notify_all();
  return !ask_for_bell(1);
}

bool PipeReceiver::ready() {
  if (has(1)) return true;
  std::array<os::PollEntry, 1> entry{os::PollEntry{.fd = socket_}};
  os::poll(entry, detail::Deadline::expired_already());
  if (entry[0].hung_up) return true;
  // A sender who is between the two is about to publish; one who died there must not make its heirs' peer spin.
  if (entry[0].ready && drop_stale_bell() == Bell::behind_descriptors && !has(1)) std::this_thread::sleep_for(first_doze);
  return has(1);
}

/// To be called after the socket was seen to be readable. SUBTLE: a doorbell that is still wanted after that has not been rung
/// since, so what lies in the socket is older.
PipeReceiver::Bell PipeReceiver::drop_stale_bell() { return ring_.bell_is_wanted() ? take_bell() : Bell::none; }

// --- the socket --------------------------------------------------------------------------------------------------------

/// What lies in the socket first, and stays there. Whatever a peer sends that is neither counts as a doorbell.
std::optional<PipePacket> PipeReceiver::next_packet() const {
  PipePacket packet;
  const auto got = os::peek_bytes(socket_, std::as_writable_bytes(std::span(&packet, 1)));
  if (got.status != os::ReceiveStatus::received) return std::nullopt;
  if (got.size != sizeof packet) packet.kind = PipePacket::Kind::doorbell;
  return packet;
}

/// Takes the descriptors of the message at the ring's position, which ends at `end`. From then on it is in this process's hands:
/// its heirs skip it.
void PipeReceiver::take_fds(std::uint64_t end, std::size_t count) {
  direction_->consumer.owed.store(end, std::memory_order_relaxed);
  IPC_KILL_POINT("pipe.owed");
  try {
    fds_ = collect_fds(ring_.position(), count);
  } catch (const std::system_error&) {
    // Only this message is lost.
    resume();
    release();
    throw;
  }
}

std::vector<Fd> PipeReceiver::collect_fds(std::uint64_t position, std::size_t count) {
  // Those that a sender sent who died before it published its message may be for the same place: the last ones are right.
  const auto more = [&] {
    const auto packet = next_packet();
    return packet && packet->kind == PipePacket::Kind::descriptors && packet->position == position;
  };
  std::vector<Fd> fds;
  while (fds.size() < count || more()) {
    PipePacket packet;
    std::vector<Fd> came;
    const auto got = os::receive_packet(socket_, std::as_writable_bytes(std::span(&packet, 1)), came, false);
    // They were sent before the message was published, so they are here.
    if (got.status != os::ReceiveStatus::received) throw EncodingError("Descriptors that belong to a message have not arrived with it.");
    if (got.size != sizeof packet || packet.kind != PipePacket::Kind::descriptors) {
      count_taken_bell();
    } else if (packet.position == position) {
      std::move(came.begin(), came.end(), std::back_inserter(fds));
    }
  }
  fds.erase(fds.begin(), fds.end() - static_cast<std::ptrdiff_t>(count));
  return fds;
}

}  // namespace ipc::transport
