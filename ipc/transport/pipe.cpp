#include "ipc/transport/pipe.hpp"

#include <cstdint>
#include <exception>
#include <optional>
#include <utility>

#include <ipc/connection.hpp>
#include <ipc/error.hpp>

#include "ipc/os/socket.hpp"
#include "ipc/transport/pipe_memory.hpp"
#include "ipc/transport/pipe_receiver.hpp"
#include "ipc/transport/pipe_sender.hpp"

namespace ipc::transport {
namespace {

/// Bits of an encoded end's second byte.
enum EndBits : std::uint8_t { second_side = 1, can_receive = 2, can_send = 4 };

void encode_end(unsigned bits, Fd memory, Fd socket, detail::Writer& writer) {
  writer.raw(detail::CoreKind::pipe);
  writer.raw(static_cast<std::uint8_t>(bits));
  writer.fd(std::move(memory));
  writer.fd(std::move(socket));
}

/// One end of a pipe. The sending and the receiving half share nothing that changes.
class PipeConnection final : public detail::ConnectionCore {
 public:
  PipeConnection(std::shared_ptr<const PipeMemory> memory, Fd socket, std::uint8_t bits)
      : memory_(std::move(memory)), socket_(std::move(socket)), side_((bits & second_side) != 0 ? 1 : 0) {
    if ((bits & can_send) != 0) sender_.emplace(direction(side_), memory_->data(side_), memory_->capacity(), socket_.get());
    const std::size_t other = 1 - side_;
    if ((bits & can_receive) != 0) receiver_.emplace(direction(other), memory_->data(other), memory_->capacity(), socket_.get());
  }
  PipeConnection(const PipeConnection&) = delete;
  PipeConnection& operator=(const PipeConnection&) = delete;
  ~PipeConnection() override {
    if (!socket_) return;  // Moved into a message.
    socket_.reset();
    // A peer that waits for room asks the kernel whether this was the last one.
    auto& rare = direction(1 - side_).rare;
    rare.closings.fetch_add(1, std::memory_order_release);
    rare.room.notify_all();
  }

  std::span<std::byte> send_room() override { return sender().room(); }
  void send(Kind kind, detail::Writer& message) override { sender().send(kind, message); }
  void send_bytes(std::span<const std::byte> bytes) override { sender().send_bytes(bytes); }

  Incoming receive(std::uint64_t max_size, std::span<std::byte> into) override {
    return receiving([&] { return receiver().receive(max_size, into); });
  }
  std::optional<std::size_t> receive_plain(std::span<std::byte> into) override {
    return receiving([&] { return receiver().receive_plain(into); });
  }
  Bytes take() override { return receiver_->take(); }
  void release() override {
    // SUBTLE: destructors call this, and a hostile peer may have spoilt the ring since.
    try {
      receiver_->release();
    } catch (const std::exception&) {
      readable_ = false;
    }
  }
  bool poll(detail::Deadline deadline) override { return receiver().poll(deadline); }
  detail::WaitHook wait_hook() override {
    return {.fd = socket_.get(),
            .object = &receiver(),
            .arm = [](void* object) { return static_cast<PipeReceiver*>(object)->arm(); },
            .disarm = nullptr,
            .ready = [](void* object) { return static_cast<PipeReceiver*>(object)->ready(); },
            .glance = [](void* object) { return static_cast<PipeReceiver*>(object)->glance(); }};
  }
  int fileno() override {
    if (receiver_) receiver_->watch();
    return socket_.get();
  }
  bool readable() const noexcept override { return receiver_.has_value() && readable_; }
  bool writable() const noexcept override { return sender_.has_value(); }

  void encode(detail::Writer& writer) override {
    const unsigned bits =
        (side_ != 0 ? unsigned{second_side} : 0u) | (readable() ? unsigned{can_receive} : 0u) | (writable() ? unsigned{can_send} : 0u);
    Fd memory = memory_->fd().duplicate();  // This can fail, and leaves the connection as it was.
    encode_end(bits, std::move(memory), std::move(socket_), writer);
  }

 private:
  PipeDirection& direction(std::size_t side) const noexcept { return memory_->words().directions[side]; }
  PipeSender& sender() {
    if (!sender_) throw UsageError("The connection is read-only: it is the receiving end of a Pipe(false).");
    return *sender_;
  }
  PipeReceiver& receiver() {
    if (!receiver_) throw UsageError("The connection is write-only: it is the sending end of a Pipe(false).");
    if (!readable_) throw UsageError("Nothing can be received from this connection any more, after a message that could not be taken.");
    return *receiver_;
  }

  /// After a message that could not be taken there is no telling where the next one begins.
  template <class F>
  auto receiving(F receive) -> decltype(receive()) try {
    return receive();
  } catch (const EncodingError&) {
    readable_ = false;
    throw;
  } catch (const std::system_error& error) {
    // What else the kernel refuses has cost at most one message.
    if (error.code() == std::errc::message_size) readable_ = false;
    throw;
  }

  std::shared_ptr<const PipeMemory> memory_;
  Fd socket_;
  std::size_t side_;
  bool readable_ = true;
  alignas(cache_line) std::optional<PipeSender> sender_;
  alignas(cache_line) std::optional<PipeReceiver> receiver_;
};

/// A sender may go on while 64 KiB are unread, also where they are the bytes of messages of one byte, which take 16.
constexpr std::size_t ring_capacity = std::size_t{1} << 20;

}  // namespace

PipeEnds make_pipe(bool duplex, std::size_t capacity) {
  const auto memory = std::make_shared<const PipeMemory>(PipeMemory::create(capacity));
  auto [first, second] = os::packet_socket_pair();
  const unsigned first_bits = can_receive | (duplex ? unsigned{can_send} : 0u);
  const unsigned second_bits = second_side | can_send | (duplex ? unsigned{can_receive} : 0u);
  return {std::make_unique<PipeConnection>(memory, std::move(first), static_cast<std::uint8_t>(first_bits)),
          std::make_unique<PipeConnection>(memory, std::move(second), static_cast<std::uint8_t>(second_bits))};
}

void encode_second_end(Fd memory, Fd socket, detail::Writer& writer) {
  encode_end(unsigned{second_side} | can_receive | can_send, std::move(memory), std::move(socket), writer);
}

std::unique_ptr<detail::ConnectionCore> decode_pipe_end(detail::Reader& reader) {
  const auto bits = reader.raw<std::uint8_t>();
  Fd memory = reader.fd();
  Fd socket = reader.fd();
  return std::make_unique<PipeConnection>(std::make_shared<const PipeMemory>(PipeMemory::open(std::move(memory))), std::move(socket), bits);
}

}  // namespace ipc::transport

namespace ipc {

std::pair<Connection, Connection> Pipe(bool duplex) {
  auto ends = transport::make_pipe(duplex, transport::ring_capacity);
  return {Connection(std::move(ends.first)), Connection(std::move(ends.second))};
}

}  // namespace ipc
