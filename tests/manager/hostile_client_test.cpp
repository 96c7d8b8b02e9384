#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <ipc/detail/served.hpp>
#include <ipc/listener.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "ipc/manager/greeting.hpp"
#include "ipc/os/descriptor_limit.hpp"
#include "ipc/os/poll.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
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
using ipc::test::RawClient;
using ipc::test::request;
using ipc::transport::Address;

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

TEST_CASE("a thousand silent connections cost the others nothing, and are ended") {
  ipc::os::allow_descriptors(4096);
  const auto key = GENERATE(std::optional<std::string>(), std::optional<std::string>("key"));
  ipc::ManagerOptions options{.handshake_timeout = 1s};
  if (key) {
    options.address = "tcp://127.0.0.1:0";
    options.authkey.emplace(*key);
  }
  const ipc::Manager m(options);
  const auto list = m.list<int>({1});
  std::vector<RawClient> silent;
  for (int i = 0; i < 1000; ++i) {
    silent.emplace_back(m.address());
    if (i % 10 == 0) CHECK(list.get(0) == 1);
  }
  // Somebody new gets in, too.
  ipc::Process newcomer([&] { ipc::test::require(list.get(0) == 1, "another value"); });
  newcomer.start();
  newcomer.join();
  CHECK(newcomer.exitcode() == 0);
  for (RawClient& client : silent) client.receive_all();
  CHECK(list.get(0) == 1);
}

/// Stands between a client and a server, and notes what the client says.
class Relay {
 public:
  explicit Relay(const std::string& server)
      : listening_(ipc::transport::listen_at(Address::parse("tcp://127.0.0.1:0"), 1, true)),
        server_(ipc::transport::connect_to(Address::parse(server), true)),
        thread_([this] { run(); }) {}
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;
  ~Relay() { thread_.join(); }
  const std::string& address() const { return listening_.address; }
  /// When the client has gone.
  std::vector<std::byte> said() {
    thread_.join();
    thread_ = std::thread([] {});
    return said_;
  }

 private:
  void run() {
    ipc::os::wait_readable(listening_.socket.get(), ipc::detail::Deadline::never());
    client_ = ipc::os::accept_client(listening_.socket.get()).socket;
    std::array<pollfd, 2> ends{{{client_.get(), POLLIN, 0}, {server_.get(), POLLIN, 0}}};
    for (;;) {
      ::poll(ends.data(), ends.size(), -1);
      for (const std::size_t from : {0U, 1U}) {
        if (ends[from].revents == 0) continue;
        std::array<std::byte, 4096> buffer{};
        const auto size = ::recv(ends[from].fd, buffer.data(), buffer.size(), 0);
        if (size <= 0) return;
        if (from == 0) said_.insert(said_.end(), buffer.begin(), buffer.begin() + size);
        ::send(ends[1 - from].fd, buffer.data(), static_cast<std::size_t>(size), MSG_NOSIGNAL);
      }
    }
  }
  ipc::transport::ListeningSocket listening_;
  ipc::Fd server_;
  ipc::Fd client_;
  std::vector<std::byte> said_;
  std::thread thread_;
};

TEST_CASE("what a client has said does nothing when somebody else says it again") {
  const ipc::Manager m({.address = "tcp://127.0.0.1:0", .authkey = "key"});
  const auto list = m.list<int>(ipc::named("list"));
  Relay relay(m.address());
  ipc::Process client([&, address = relay.address()] {
    const auto far = ipc::Manager::connect(address, {.authkey = "key"});
    far.list<int>(ipc::named("list")).append(7);
  });
  client.start();
  client.join();
  CHECK(client.exitcode() == 0);
  const auto said = relay.said();
  CHECK(list.to_vector() == std::vector<int>{7});
  // All at once, and as somebody would who waits for each answer.
  RawClient hasty(m.address());
  hasty.send(said);
  const auto told = hasty.receive_all();
  CHECK(std::string(reinterpret_cast<const char*>(told.data()), told.size()).find("#FAILURE#") != std::string::npos);
  RawClient patient(m.address());
  for (std::size_t i = 0; i < said.size(); ++i) patient.send(std::span(said).subspan(i, 1));
  patient.receive_all();
  CHECK(list.to_vector() == std::vector<int>{7});
  CHECK(m.number_of_objects() == 1);
}

TEST_CASE("host_timeout: a client that reads nothing of its answer for so long gives up its locks, though it lives") {
  const ipc::Manager m({.address = "tcp://127.0.0.1:0", .authkey = "key", .host_timeout = 3s});
  const auto lock = m.Lock(ipc::named("lock"));
  const auto big = m.list<std::string>(ipc::named("big"), std::vector<std::string>{std::string(64 << 20, 'x')});
  Connection client = ipc::Client(m.address(), {.authkey = "key"});
  const auto ask = [&](const std::string& what) {
    client.send_bytes(what);
    CHECK(client.recv_bytes().at(0) == std::byte{0});
  };
  ask(hello(1));
  const auto join = [&](ipc::detail::ServedKind kind, std::uint64_t tag, const std::string& name) {
    ask(request({.op = Op::create}, kind, tag, std::uint64_t{name.size()}, name));
  };
  join(ipc::detail::ServedKind::lock, 0, "lock");
  join(ipc::detail::ServedKind::list, ipc::detail::type_tag<std::string>(), "big");
  ask(request({.op = Op::lock, .thread = 1, .object = lock.reference().id()}));
  CHECK_FALSE(lock.try_lock());
  client.send_bytes(request({.op = Op::get, .object = big.reference().id()}, std::int64_t{0}));
  lock.lock();
  CHECK(lock.recovered());
  lock.unlock();
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

TEST_CASE("how many clients a manager takes is for max_connections to say, not for the descriptors that its maker may have") {
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  const rlimit few{64, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &few);
  const ipc::Manager m;
  ::setrlimit(RLIMIT_NOFILE, &before);
  std::vector<Connection> clients;
  for (std::uint64_t i = 1; i <= 100; ++i) {
    clients.push_back(ipc::Client(m.address()));
    clients.back().send_bytes(hello(i));
    clients.back().recv_bytes();
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
