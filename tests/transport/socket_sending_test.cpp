// What sending over a socket promises while nobody receives, and when nobody will.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <future>
#include <string>

#include <ipc/connection.hpp>
#include <ipc/listener.hpp>

#include "tests/support/catch.hpp"
#include "tests/transport/sockets.hpp"

namespace {

using ipc::Bytes;
using ipc::Connection;
using ipc::test::bytes_of;
using ipc::test::in_background;

struct Pair {
  Connection a;
  Connection b;
};
Pair connected(const std::string& address) {
  ipc::Listener listener(address);
  Connection client = ipc::Client(listener.address());
  return {listener.accept(), std::move(client)};
}

TEST_CASE("a peer that closes inside a message has closed the connection for all that are sent later") {
  for (const char* family : {"", "tcp://127.0.0.1:0"}) {
    auto [a, b] = connected(family);
    auto closed = in_background([&b = b] {
      char some[1000];
      const auto size = ::read(b.fileno(), some, sizeof some);
      b.close();
      return size;
    });
    CHECK_THROWS_AS(a.send_bytes(Bytes(std::size_t{64} << 20)), ipc::BrokenPipe);
    CHECK(closed.get() > 0);
    for (int i = 0; i < 3; ++i) CHECK_THROWS_AS(a.send(1), ipc::BrokenPipe);
    CHECK(a.writable());
  }
}

TEST_CASE("as many messages may be unread over a unix socket as the machine allows") {
  long allowed = 0;
  std::ifstream("/proc/sys/net/core/wmem_max") >> allowed;
  const long count = std::min(2 * allowed / 1024, 65535L);
  auto [a, b] = connected("");
  for (Connection* end : {&a, &b}) {
    Connection& other = end == &a ? b : a;
    for (long i = 0; i < count; ++i) end->send_bytes(bytes_of("x"));
    for (long i = 0; i < count; ++i) other.recv_bytes();
  }
}

}  // namespace
