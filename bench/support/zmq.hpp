#pragma once

#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include <zmq.h>

#include "bench/support/helper.hpp"

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

/// Two processes with a ZeroMQ PAIR socket each, over ipc://. The other one answers messages whose first byte is not zero.
class ZmqPair {
 public:
  ZmqPair() {
    socket_.bind(address_);
    exchange(1);
  }
  ZmqPair(const ZmqPair&) = delete;
  ZmqPair& operator=(const ZmqPair&) = delete;
  ~ZmqPair() { ::unlink(address_.c_str() + 6); }

  double round_trip(std::size_t size, int count) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) exchange(size);
    return since(start) / count;
  }
  double one_way(std::size_t size, int count) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<char> quiet(size);
    for (int i = 1; i < count; ++i) socket_.send(quiet.data(), size);
    exchange(size);
    return since(start) / count;
  }

 private:
  static double since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  void exchange(std::size_t size) {
    std::vector<char> message(size, 1);
    socket_.send(message.data(), size);
    socket_.receive(message.data(), size);
  }
  [[noreturn]] void answer() const {
    ZmqSocket socket(ZMQ_PAIR);
    socket.connect(address_);
    std::vector<char> message(4096);
    for (;;) {
      const int size = socket.receive(message.data(), message.size());
      if (size > 0 && message[0] != 0) socket.send(message.data(), static_cast<std::size_t>(size));
    }
  }

  const std::string address_ = "ipc:///tmp/ipc-bench-zmq-" + std::to_string(::getpid());
  Helper helper_{[this] { answer(); }};  // Before there is a thread of ZeroMQ's here.
  ZmqSocket socket_{ZMQ_PAIR};
};

}  // namespace ipc::bench
