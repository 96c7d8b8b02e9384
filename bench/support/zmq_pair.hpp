#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

#include <zmq.h>

namespace ipc::bench {

/// Two processes with a ZeroMQ PAIR socket each, over ipc://. The other one answers messages whose first byte is not zero.
class ZmqPair {
 public:
  ZmqPair() : address_("ipc:///tmp/ipc-bench-zmq-" + std::to_string(::getpid())), pid_(::fork()) {
    context_ = ::zmq_ctx_new();
    socket_ = ::zmq_socket(context_, ZMQ_PAIR);
    if (pid_ == 0) answer();
    ::zmq_bind(socket_, address_.c_str());
    exchange(1);
  }
  ZmqPair(const ZmqPair&) = delete;
  ZmqPair& operator=(const ZmqPair&) = delete;
  ~ZmqPair() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    ::zmq_close(socket_);
    ::zmq_ctx_term(context_);
    ::unlink(address_.c_str() + 6);
  }

  double round_trip(std::size_t size, int count) {
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < count; ++i) exchange(size);
    return since(start) / count;
  }
  double one_way(std::size_t size, int count) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<char> quiet(size);
    for (int i = 1; i < count; ++i) ::zmq_send(socket_, quiet.data(), size, 0);
    exchange(size);
    return since(start) / count;
  }

 private:
  static double since(std::chrono::steady_clock::time_point start) {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  void exchange(std::size_t size) {
    std::vector<char> message(size, 1);
    ::zmq_send(socket_, message.data(), size, 0);
    ::zmq_recv(socket_, message.data(), size, 0);
  }
  [[noreturn]] void answer() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::zmq_connect(socket_, address_.c_str());
    std::vector<char> message(4096);
    for (;;) {
      const int size = ::zmq_recv(socket_, message.data(), message.size(), 0);
      if (size > 0 && message[0] != 0) ::zmq_send(socket_, message.data(), static_cast<std::size_t>(size), 0);
    }
  }

  std::string address_;
  pid_t pid_;
  void* context_ = nullptr;
  void* socket_ = nullptr;
};

}  // namespace ipc::bench
