#pragma once

#include <cstddef>
#include <string>

#include <zmq.h>

namespace ipc::bench {

/// A ZeroMQ socket with a context of its own, made in the process that uses it.
class ZmqSocket {
 public:
  explicit ZmqSocket(int type) : context_(::zmq_ctx_new()), socket_(::zmq_socket(context_, type)) {}
  ZmqSocket(const ZmqSocket&) = delete;
  ZmqSocket& operator=(const ZmqSocket&) = delete;
  ~ZmqSocket() {
    ::zmq_close(socket_);
    ::zmq_ctx_term(context_);
  }

  void bind(const std::string& address) { ::zmq_bind(socket_, address.c_str()); }
  void connect(const std::string& address) { ::zmq_connect(socket_, address.c_str()); }
  void send(const void* data, std::size_t size) { ::zmq_send(socket_, data, size, 0); }
  /// How many bytes the message had; at most `size` are there.
  int receive(void* data, std::size_t size) { return ::zmq_recv(socket_, data, size, 0); }

 private:
  void* context_;
  void* socket_;
};

}  // namespace ipc::bench
