#include "ipc/transport/socket_connection.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

#include "ipc/os/poll.hpp"
#include "ipc/os/stream_socket.hpp"

namespace ipc::transport {
namespace {

constexpr std::string_view typed_mark = "ipc-typd";
constexpr std::size_t fds_per_send = 253;
constexpr std::size_t scratch_size = 16384;

std::span<const std::byte> mark_bytes() { return std::as_bytes(std::span(typed_mark)); }

bool is_typed(std::span<const std::byte> message) {
  return message.size() >= typed_mark.size() && std::ranges::equal(message.first(typed_mark.size()), mark_bytes());
}

/// What is left of pieces of which `sent` bytes have gone.
template <std::size_t count>
void drop(std::array<std::span<const std::byte>, count>& pieces, std::size_t sent) {
  for (auto& bytes : pieces) {
    const std::size_t part = std::min(sent, bytes.size());
    bytes = bytes.subspan(part);
    sent -= part;
  }
}

}  // namespace

SocketConnection::SocketConnection(Wire wire, bool readable, bool writable)
    : wire_(std::move(wire)), passes_descriptors_(os::passes_descriptors(wire_.fd())), readable_(readable), writable_(writable) {}

std::span<std::byte> SocketConnection::send_room() {
  require_writable();
  if (scratch_ == nullptr) scratch_ = std::unique_ptr<std::byte[]>(new std::byte[scratch_size]);
  return {scratch_.get(), scratch_size};
}

void SocketConnection::send(Kind kind, detail::Writer& message) {
  require_writable();
  if (!message.fds().empty() && !passes_descriptors_) {
    throw EncodingError(
        "A descriptor, a connection or a shared handle cannot be sent over TCP: what it means is on this machine. Send it over a unix "
        "socket or a pipe, or send the value itself.");
  }
  send_frame(kind == Kind::typed ? mark_bytes() : std::span<const std::byte>(), message.view(), message.fds());
  message.fds().clear();
}

void SocketConnection::send_bytes(std::span<const std::byte> bytes) {
  require_writable();
  send_frame({}, bytes, {});
}

void SocketConnection::send_frame(std::span<const std::byte> mark, std::span<const std::byte> body, std::span<const Fd> fds) {
  const FrameHeader header(mark.size() + body.size());
  std::array<std::span<const std::byte>, 3> pieces{header.bytes(), mark, body};
  // Each call can carry so many descriptors, and needs a byte that they travel beside.
  std::size_t due = header.bytes().size() + mark.size() + body.size();
  if (fds.size() > fds_per_send * due) throw EncodingError("A message has more descriptors than its bytes can carry.");
  const std::size_t whole = due;
  try {
    while (due != 0) {
      const auto batch = fds.first(std::min(fds.size(), fds_per_send));
      // All in one call, so that a small message is one packet, unless there are more descriptors than go into one.
      std::array<std::span<const std::byte>, 3> now = pieces;
      if (batch.size() < fds.size()) {
        const auto first = std::ranges::find_if(pieces, [](auto piece) { return !piece.empty(); });
        now = {first->first(1), {}, {}};
      }
      const std::size_t sent = send_some(now, batch);
      if (sent != 0) fds = fds.subspan(batch.size());
      drop(pieces, sent);
      due -= sent;
    }
  } catch (const BrokenPipe&) {
    throw;  // As all that are sent later will be told.
  } catch (...) {
    // The peer would take the next message for the rest of this one.
    if (due != whole) {
      writable_ = false;
      os::shut_down(wire_.fd());
    }
    throw;
  }
}

std::size_t SocketConnection::send_some(Pieces pieces, std::span<const Fd> fds) {
  std::array<int, fds_per_send> numbers{};
  std::ranges::transform(fds, numbers.begin(), [](const Fd& fd) { return fd.get(); });
  const auto result = wire_.send(pieces, std::span(numbers).first(fds.size()));
  switch (result.status) {
    case os::StreamStatus::moved:
      return result.size;
    case os::StreamStatus::closed:
      throw BrokenPipe("The peer has closed the connection, or died: nothing can be sent to it.");
    case os::StreamStatus::would_block:
      break;
  }
  // Somebody who has this socket as well made it non-blocking.
  std::array entries{os::PollEntry{.fd = wire_.fd(), .for_writing = true}};
  os::poll(entries, detail::Deadline::never());
  return 0;
}

detail::ConnectionCore::Incoming SocketConnection::receive(std::uint64_t max_size, std::span<std::byte> /*into*/) {
  require_readable();
  reader_.set_limit(max_size);
  bool lost_fds = false;
  while (reader_.status() == FrameStatus::incomplete) {
    const auto result = wire_.receive(reader_.room(), passes_descriptors_ ? &received_fds_ : nullptr);
    if (result.status == os::StreamStatus::closed) {
      throw EndOfFile(reader_.inside_message() ? "The peer closed the connection, or died, in the middle of a message."
                                               : "The peer has closed the connection, or died, and all that it sent is read.");
    }
    if (result.status == os::StreamStatus::would_block) os::wait_readable(wire_.fd(), detail::Deadline::never());
    lost_fds = lost_fds || result.lost_fds;
    reader_.advance(result.size);
  }
  if (reader_.status() == FrameStatus::too_long) {
    readable_ = false;
    throw std::system_error(EMSGSIZE, std::generic_category(),
                            "recv_bytes: bad message length: the peer sends " + std::to_string(reader_.announced()) + " bytes, at most " +
                                std::to_string(max_size) + " were allowed, and the connection cannot be read any more");
  }
  if (reader_.status() == FrameStatus::malformed) {
    readable_ = false;
    throw EncodingError("The peer sent something that is no message's size: it does not speak this protocol.");
  }
  if (lost_fds) {
    release();
    throw std::system_error(EMFILE, std::generic_category(),
                            "recvmsg: a message is lost, because it came with descriptors and this process is at its limit (ulimit -n)");
  }
  const auto message = reader_.message();
  if (is_typed(message)) return {Kind::typed, message.subspan(typed_mark.size()), received_fds_};
  return {Kind::bytes, message, received_fds_};
}

void SocketConnection::release() {
  reader_.next();
  received_fds_.clear();
}

bool SocketConnection::poll(detail::Deadline deadline) {
  require_readable();
  return wire_.holds_input() || os::wait_readable(wire_.fd(), deadline);
}

void SocketConnection::encode(detail::Writer& writer) {
  writer.raw(detail::CoreKind::socket);
  writer.raw(static_cast<std::uint8_t>((readable_ ? 1 : 0) | (writable_ ? 2 : 0)));
  writer.fd(wire_.take_socket());
}

void SocketConnection::require_readable() const {
  if (!readable_) throw UsageError("The connection cannot be read any more: an earlier message was too long, or none.");
}

void SocketConnection::require_writable() const {
  if (!writable_) throw UsageError("Nothing can be sent through the connection any more: an earlier message was sent only in part.");
}

std::unique_ptr<detail::ConnectionCore> decode_socket_connection(detail::Reader& reader) {
  const auto directions = reader.raw<std::uint8_t>();
  Fd socket = reader.fd();
  if (directions > 3) throw EncodingError("A message was decoded as a connection, but has none.");
  try {
    return std::make_unique<SocketConnection>(std::move(socket), (directions & 1) != 0, (directions & 2) != 0);
  } catch (const std::system_error&) {
    throw EncodingError("A message was decoded as a connection, but its descriptor is no socket.");
  }
}

}  // namespace ipc::transport
