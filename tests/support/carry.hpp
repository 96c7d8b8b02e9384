#pragma once

#include <array>
#include <vector>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>

#include "ipc/os/socket.hpp"

namespace ipc::test {

/// Messages from process to process, as transports carry them: a packet with descriptors beside it.
inline void send_message(int socket, const detail::Message& message) {
  std::vector<int> fds;
  for (const Fd& fd : message.fds) fds.push_back(fd.get());
  os::send_packet(socket, message.bytes, fds);
}
inline detail::Message receive_message(int socket) {
  detail::Message message;
  message.bytes.resize(65536);
  message.bytes.resize(os::receive_packet(socket, message.bytes, message.fds).size);
  return message;
}

template <class Handle>
detail::Message to_message(const Handle& handle) {
  detail::Writer writer;
  handle.ipc_encode(writer);
  return writer.take();
}
template <class Handle>
Handle from_message(detail::Message message) {
  detail::Reader reader(message);
  return Handle::ipc_decode(reader);
}

}  // namespace ipc::test
