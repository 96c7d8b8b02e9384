#pragma once

#include <future>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include <ipc/fd.hpp>

#include <cstdlib>
#include <filesystem>

#include "ipc/os/stream_socket.hpp"
#include "ipc/transport/endpoint.hpp"
#include "tests/transport/bytes_of.hpp"

namespace ipc::test {

/// Runs `body` in a thread of its own; `get` gives what it returned or threw.
template <class F>
auto in_background(F body) {
  return std::async(std::launch::async, std::move(body));
}

/// A folder that goes with its object.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    if (::mkdtemp(path_.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_ = "/tmp/ipc-test-XXXXXX";
};

/// Somebody who connects and then sends what no client of ours would.
class RawClient {
 public:
  explicit RawClient(const std::string& address) : socket_(transport::connect_to(transport::Address::parse(address), true)) {}

  void send(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const std::array pieces{bytes};
      const auto result = os::send_stream(socket_.get(), pieces);
      if (result.status == os::StreamStatus::closed) return;
      bytes = bytes.subspan(result.size);
    }
  }
  /// All that comes until the other side closes.
  Bytes receive_all() {
    Bytes all;
    for (std::byte byte{}; receive(byte);) all.push_back(byte);
    return all;
  }
  Bytes receive(std::size_t size) {
    Bytes bytes;
    for (std::byte byte{}; bytes.size() < size && receive(byte);) bytes.push_back(byte);
    return bytes;
  }
  int fd() const { return socket_.get(); }

 private:
  bool receive(std::byte& byte) {
    return os::receive_stream(socket_.get(), std::span(&byte, 1), nullptr).status == os::StreamStatus::moved;
  }

  Fd socket_;
};

}  // namespace ipc::test
