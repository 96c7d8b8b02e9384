#include "ipc/manager/server_line.hpp"

#include <array>
#include <iterator>
#include <system_error>
#include <utility>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/served.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/rings.hpp"

namespace ipc::manager {

using detail::ConnectionCore;
using detail::Message;
using detail::Writer;

namespace {

Message take(ConnectionCore& from, const ConnectionCore::Incoming& incoming) {
  Message message;
  message.fds.assign(std::make_move_iterator(incoming.fds.begin()), std::make_move_iterator(incoming.fds.end()));
  message.bytes = from.take();
  from.release();
  return message;
}

}  // namespace

Message ServerLine::call(Writer& request) {
  if (calls_before_rings_ > 0 && --calls_before_rings_ == 0) ask_for_rings();
  if (rings_ == nullptr || !fits_rings(request)) {
    socket_->send(ConnectionCore::Kind::bytes, request);
    return hear_at_socket();
  }
  rings_->send_bytes(request.view());
  const auto incoming = rings_->receive(ConnectionCore::any_size, {});
  if (!incoming.bytes.empty()) return take(*rings_, incoming);
  rings_->release();
  return hear_at_socket();
}

void ServerLine::send(Writer& request) {
  if (rings_ != nullptr && fits_rings(request))
    rings_->send_bytes(request.view());
  else
    socket_->send(ConnectionCore::Kind::bytes, request);
}

Message ServerLine::hear_at_socket() {
  if (!spin_.spin([&] { return socket_->poll(detail::Deadline::expired_already()); })) {
    socket_->poll(detail::Deadline::never());
    spin_.woke();
  }
  return take(*socket_, socket_->receive(ConnectionCore::any_size, {}));
}

void ServerLine::ask_for_rings() {
  std::array<std::byte, sizeof(detail::RequestHeader)> scratch;
  Writer request(scratch);
  request.raw(detail::RequestHeader{.op = detail::Op::rings});
  socket_->send(ConnectionCore::Kind::bytes, request);
  try {
    Message answer = hear_at_socket();
    detail::Reader reader(answer);
    if (reader.raw<detail::Outcome>() == detail::Outcome::done) rings_ = detail::decode_connection(reader);
  } catch (const std::system_error&) {  // No descriptors or no memory, there or here: the socket does as well.
  } catch (const EncodingError&) {
  }
}

}  // namespace ipc::manager
