#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <vector>

#include "bench/support/zmq_socket.hpp"

namespace ipc::bench {

/// Two processes with a ZeroMQ PAIR socket each, over ipc://. The other one answers messages whose first byte is not zero.
class ZmqPair {
 public:
  ZmqPair() : address_("ipc:///tmp/ipc-bench-zmq-" + std::to_string(::getpid())), pid_(::fork()) {
    if (pid_ == 0) answer();
    socket_.bind(address_);
    exchange(1);
  }
  ZmqPair(const ZmqPair&) = delete;
  ZmqPair& operator=(const ZmqPair&) = delete;
  ~ZmqPair() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
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
  [[noreturn]] void answer() {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    socket_.connect(address_);
    std::vector<char> message(4096);
    for (;;) {
      const int size = socket_.receive(message.data(), message.size());
      if (size > 0 && message[0] != 0) socket_.send(message.data(), static_cast<std::size_t>(size));
    }
  }

  std::string address_;
  pid_t pid_;
  ZmqSocket socket_{ZMQ_PAIR};
};

}  // namespace ipc::bench
