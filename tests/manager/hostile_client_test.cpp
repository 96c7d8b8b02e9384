#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <ipc/detail/served.hpp>
#include <ipc/listener.hpp>
#include <ipc/manager.hpp>

#include "ipc/manager/greeting.hpp"
#include "ipc/os/poll.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/requests.hpp"
#include "tests/transport/bytes_of.hpp"
#include "tests/transport/sockets.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Connection;
using ipc::detail::Op;
using ipc::detail::RequestHeader;
using ipc::manager::Greeting;
using ipc::test::bytes_of;
using ipc::test::hello;
using ipc::test::raw;
using ipc::test::request;

/// Whether the server hangs up, sooner or later.
bool is_hung_up(Connection& client) {
  try {
    for (;;) client.recv_bytes();
  } catch (const ipc::EndOfFile&) {
    return true;
  }
}

TEST_CASE("garbage, truncated and oversized messages end their own connection and nobody else's") {
  const ipc::Manager m({.max_message_size = 65536});
  const auto list = m.list<int>({1});
  const std::vector<std::string> firsts{"",
                                        "x",
                                        std::string(255, '\0'),
                                        std::string(257, 'x'),
                                        std::string(1 << 20, 'x'),
                                        request({.op = Op::hello}),
                                        request({.op = Op::create}),
                                        request({.op = Op::hello}, std::string(sizeof(Greeting), 'x'))};
  for (const std::string& first : firsts) {
    Connection client = ipc::Client(m.address());
    try {
      client.send_bytes(first);
    } catch (const ipc::BrokenPipe&) {
    }
    CHECK(is_hung_up(client));
    CHECK(list.get(0) == 1);
  }
  {
    Connection client = ipc::Client(m.address());
    client.send_bytes(hello(1));
    client.recv_bytes();
    try {
      client.send_bytes(std::string(65537, 'x'));
    } catch (const ipc::BrokenPipe&) {
    }
    CHECK(is_hung_up(client));
  }
  {
    // In the middle of a message.
    Connection client = ipc::Client(m.address());
    client.send_bytes(hello(1));
    client.recv_bytes();
    const unsigned char half[] = {0, 0, 1, 0, 'x'};
    CHECK(::send(client.fileno(), half, sizeof half, MSG_NOSIGNAL) == 5);
  }
  CHECK(list.get(0) == 1);
  CHECK(m.number_of_objects() == 1);
}

TEST_CASE("a request that names another's object is refused") {
  const ipc::Manager m;
  const auto list = m.list<int>({1});
  Connection client = ipc::Client(m.address());
  client.send_bytes(hello(1));
  client.recv_bytes();
  client.send_bytes(request({.op = Op::size, .object = list.reference().id()}));
  CHECK(client.recv_bytes().at(0) == static_cast<std::byte>(ipc::detail::Outcome::usage_error));
}

TEST_CASE("a request before the answer to the last one ends the connection") {
  const ipc::Manager m;
  Connection client = ipc::Client(m.address());
  client.send_bytes(hello(1));
  client.recv_bytes();
  const std::string forever = request({.op = Op::end});
  client.send_bytes(forever);
  client.send_bytes(forever);
  CHECK(is_hung_up(client));
}

TEST_CASE("random requests neither stop the server nor reach others' objects") {
  const ipc::Manager m;
  const auto list = m.list<int>({1});
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    Connection client = ipc::Client(m.address());
    client.send_bytes(hello(1));
    client.recv_bytes();
    try {
      for (int i = 0; i < 50; ++i) {
        RequestHeader header;
        do {
          header.op = static_cast<Op>(random() % (static_cast<unsigned>(Op::count) + 3));
        } while (header.op == Op::shut_down || header.op == Op::attach || header.op == Op::end || header.op == Op::release);
        header.object = random() % 50;
        header.patience = 0;
        std::string text = raw(header);
        if (header.op == Op::create) text += static_cast<char>(random() % 14);
        for (auto n = random() % 40; n != 0; --n) text += static_cast<char>(random() % 3 == 0 ? random() : 0);
        client.send_bytes(text);
        client.recv_bytes();
      }
    } catch (const ipc::EndOfFile&) {
    } catch (const ipc::BrokenPipe&) {
    }
  }
  CHECK(list.to_vector() == std::vector<int>{1});
}

TEST_CASE("silent connections cost the others nothing, and are ended") {
  const ipc::Manager m({.handshake_timeout = 500ms});
  const auto list = m.list<int>({1});
  std::vector<Connection> silent;
  for (int i = 0; i < 300; ++i) silent.push_back(ipc::Client(m.address()));
  for (int i = 0; i < 100; ++i) CHECK(list.get(0) == 1);
  for (Connection& client : silent) CHECK(is_hung_up(client));
  CHECK(list.get(0) == 1);
}

TEST_CASE("connections beyond the limit are closed, and there is room again when one goes") {
  const ipc::Manager m({.max_connections = 2});
  const auto list = m.list<int>({1});
  {
    Connection second = ipc::Client(m.address());
    second.send_bytes(hello(1));
    second.recv_bytes();
    CHECK_THROWS_AS(ipc::Manager::connect(m.address()).number_of_objects(), ipc::ManagerLost);
    CHECK(list.get(0) == 1);
  }
}

TEST_CASE("a client that does not read its answer delays nobody") {
  const ipc::Manager m;
  const auto list = m.list<std::string>({std::string(8 << 20, 'x')});
  const auto other = m.list<int>({1});
  const std::string name = "big";
  const auto named = m.list<std::string>(ipc::named(name), std::vector<std::string>{std::string(8 << 20, 'y')});
  Connection client = ipc::Client(m.address());
  client.send_bytes(hello(1));
  client.recv_bytes();
  client.send_bytes(
      request({.op = Op::create}, ipc::detail::ServedKind::list, ipc::detail::type_tag<std::string>(), std::uint64_t{name.size()}, name));
  client.recv_bytes();
  client.send_bytes(request({.op = Op::get, .object = named.reference().id()}, std::int64_t{0}));
  for (int i = 0; i < 100; ++i) CHECK(other.get(0) == 1);
  CHECK(client.recv_bytes().size() > (8U << 20));
}

TEST_CASE("TCP needs an authkey, and the right one") {
  CHECK_THROWS_AS(ipc::Manager({.address = "tcp://127.0.0.1:0"}), ipc::UsageError);
  const ipc::Manager m({.address = "tcp://127.0.0.1:0", .authkey = "key"});
  CHECK(m.list<int>({1}).get(0) == 1);
  CHECK_THROWS_AS(ipc::Manager::connect(m.address(), {.authkey = "wrong"}), ipc::AuthenticationError);
  CHECK_THROWS_AS(ipc::Manager::connect(m.address()), ipc::AuthenticationError);
  CHECK(m.number_of_objects() == 0);
}

}  // namespace
