#include <ipc/connection.hpp>

#include <system_error>

#include <ipc/detail/copy.hpp>

namespace ipc {

std::size_t Connection::recv_bytes_into(std::span<std::byte> buffer) {
  detail::ConnectionCore& core = open_core();
  if (const auto size = core.receive_plain(buffer)) return *size;
  const auto message = core.receive(detail::ConnectionCore::any_size, buffer);
  const Release release{core};
  const auto bytes = message.bytes;
  if (bytes.size() > buffer.size()) {
    throw BufferTooShort("The message has " + std::to_string(bytes.size()) + " bytes, the buffer only " + std::to_string(buffer.size()) +
                             ". (The exception has the message.)",
                         core.take());
  }
  if (bytes.data() != buffer.data()) detail::copy_bytes(buffer.data(), bytes.data(), bytes.size());
  return bytes.size();
}

Bytes Connection::receive_bytes(std::uint64_t maxlength) {
  detail::ConnectionCore& core = open_core();
  try {
    core.receive(maxlength, {});
  } catch (const std::system_error&) {
    close_if_useless();
    throw;
  }
  const Release release{core};
  return core.take();
}

void Connection::close_if_useless() noexcept {
  if (!core_->readable() && !core_->writable()) close();
}

void Connection::ipc_encode(detail::Writer& writer) {
  open_core().encode(writer);
  close();
}

void Connection::fail_closed() { throw UsageError("The connection is closed, or was moved to somebody else."); }

void Connection::fail_untyped(const std::string& type) {
  throw EncodingError("The message is bytes, sent by send_bytes; recv<" + type + "> takes values that were sent by send. Use recv_bytes.");
}

void Connection::fail_type(const std::string& type) {
  throw EncodingError("The message is a value of another type than " + type + ", which recv was asked for.");
}

}  // namespace ipc
