#include "ipc/transport/socket_connection.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/listener.hpp>
#include <ipc/lock.hpp>
#include <ipc/value.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/kill_storm.hpp"
#include "tests/transport/bytes_of.hpp"
#include "tests/transport/sockets.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Bytes;
using ipc::Client;
using ipc::Connection;
using ipc::Fd;
using ipc::Listener;
using ipc::test::bytes_of;
using ipc::test::ForkedChild;
using ipc::test::in_background;
using ipc::test::RawClient;
using ipc::test::text_of;
using ipc::test::unhex;

struct Pair {
  Connection a;
  Connection b;
};
Pair connected(const std::string& address = "") {
  Listener listener(address);
  Connection client = Client(listener.address());
  return {listener.accept(), std::move(client)};
}
const std::vector<std::string> families{"", "tcp://127.0.0.1:0"};

std::size_t open_fds() {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) count += entry.path().empty() ? 0 : 1;
  return count;
}

TEST_CASE("test_connection over sockets: values and bytes of every size, both ways") {
  for (const std::string& family : families) {
    auto [a, b] = connected(family);
    auto echo = in_background([&b = b] {
      for (Bytes message = b.recv_bytes(); message != bytes_of("stop"); message = b.recv_bytes()) b.send_bytes(message);
    });
    for (const std::size_t size : {0, 1, 3, 4, 5, 16384, 16385, 1 << 20, 4 << 20}) {
      Bytes message(size);
      for (std::size_t i = 0; i < size; ++i) message[i] = static_cast<std::byte>(i * 31 >> 3);
      a.send_bytes(message);
      CHECK(a.recv_bytes() == message);
    }
    a.send_bytes("stop");
    echo.get();
    const std::map<std::string, std::vector<double>> value{{"one", {1.0}}, {"two", {2.0, -2.0}}};
    a.send(value);
    CHECK(b.recv<std::map<std::string, std::vector<double>>>() == value);
    b.close();
    CHECK(a.poll());
    CHECK_THROWS_AS(a.recv<int>(), ipc::EndOfFile);
    CHECK_THROWS_AS(a.recv_bytes(), ipc::EndOfFile);
  }
}

TEST_CASE("typed and byte messages alternate over a socket, and are not taken for each other") {
  auto [a, b] = connected();
  a.send(1);
  a.send_bytes("two");
  a.send(std::string("three"));
  a.send_bytes("four");
  a.send(5);
  CHECK(b.recv<int>() == 1);
  CHECK(text_of(b.recv_bytes()) == "two");
  CHECK_THROWS_AS(b.recv<int>(), ipc::EncodingError);
  CHECK_THROWS_AS(b.recv<std::string>(), ipc::EncodingError);
  CHECK(b.recv<int>() == 5);
}

TEST_CASE("a typed message can be passed on as bytes") {
  auto [a, b] = connected();
  auto [c, d] = connected();
  a.send(std::vector<int>{1, 2, 3});
  const Bytes message = b.recv_bytes();
  CHECK(text_of(message).starts_with("ipc-typd"));
  c.send_bytes(message);
  CHECK(d.recv<std::vector<int>>() == std::vector<int>{1, 2, 3});
}

TEST_CASE("a frame on the wire is CPython's") {
  Listener listener;
  RawClient raw(listener.address());
  Connection connection = listener.accept();
  connection.send_bytes("hello");
  CHECK(ipc::test::hex(raw.receive(9)) == "0000000568656c6c6f");
  connection.send_bytes("");
  CHECK(ipc::test::hex(raw.receive(4)) == "00000000");
  raw.send(
      unhex("0000000161"
            "ffffffff"
            "0000000000000002"
            "6263"
            "00000000"));
  CHECK(text_of(connection.recv_bytes()) == "a");
  CHECK(text_of(connection.recv_bytes()) == "bc");
  CHECK(text_of(connection.recv_bytes()).empty());
}

TEST_CASE("test_empty_string, test_strings, test_dont_merge: poll tells and takes nothing") {
  for (const std::string& family : families) {
    auto [a, b] = connected(family);
    CHECK_FALSE(b.poll());
    CHECK_FALSE(b.poll(-1s));
    a.send_bytes("");
    CHECK(b.poll(1h));
    CHECK(b.poll());
    CHECK(b.recv_bytes().empty());
    CHECK_FALSE(b.poll());
    for (const std::string& text : {std::string("hello"), std::string(), std::string("a"), std::string("bye")}) a.send_bytes(text);
    for (const std::string& text : {std::string("hello"), std::string(), std::string("a"), std::string("bye")}) {
      CHECK(b.poll(1h));
      CHECK(ipc::os::passes_descriptors(b.fileno()) == family.empty());
      CHECK(text_of(b.recv_bytes()) == text);
    }
    CHECK_FALSE(b.poll());
  }
}

TEST_CASE("test_boundaries: a child that polls takes no bytes") {
  auto [a, b] = connected();
  ForkedChild child([&b = b] { return b.poll(1h) ? 0 : 1; });
  a.send_bytes("ABCDE");
  CHECK(child.wait() == 0);
  CHECK(text_of(b.recv_bytes()) == "ABCDE");
}

TEST_CASE("recv_bytes_into and limits over a socket") {
  auto [a, b] = connected();
  a.send_bytes("hello");
  std::array<std::byte, 5> buffer{};
  CHECK(b.recv_bytes_into(buffer) == 5);
  CHECK(text_of(buffer) == "hello");
  a.send_bytes("too long");
  try {
    b.recv_bytes_into(buffer);
    FAIL("fits");
  } catch (const ipc::BufferTooShort& error) {
    CHECK(text_of(error.message()) == "too long");
  }
  a.send_bytes("12345");
  CHECK(text_of(b.recv_bytes(5)) == "12345");
  a.send_bytes("123456");
  try {
    b.recv_bytes(5);
    FAIL("was short enough");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::message_size);
  }
  // As in CPython, it can still be written to.
  CHECK_FALSE(b.readable());
  CHECK_THROWS_AS(b.recv_bytes(), ipc::UsageError);
  b.send(1);
  CHECK(a.recv<int>() == 1);
}

TEST_CASE("a peer that sends no frames is told from one that does") {
  Listener listener("tcp://127.0.0.1:0");
  RawClient raw(listener.address());
  Connection connection = listener.accept();
  raw.send(unhex("80000000"));
  CHECK_THROWS_AS(connection.recv_bytes(), ipc::EncodingError);
  CHECK_FALSE(connection.readable());
}

TEST_CASE("a peer that ends inside a message ends the connection") {
  for (const char* part : {"0000", "00000005616263", "ffffffff0000", "ffffffff0000100000000000616263"}) {
    Listener listener("tcp://127.0.0.1:0");
    Connection connection;
    {
      RawClient raw(listener.address());
      connection = listener.accept();
      raw.send(unhex(part));
    }
    CHECK_THROWS_AS(connection.recv_bytes(), ipc::EndOfFile);
  }
}

TEST_CASE("test_fd_transfer over a unix socket: descriptors, also of high number and by the hundred") {
  auto [a, b] = connected();
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  Fd reading(ends[0]);
  Fd writing(::fcntl(ends[1], F_DUPFD_CLOEXEC, 300));
  ::close(ends[1]);
  ForkedChild child([&b = b] {
    const Fd received = b.recv<Fd>();
    return ::write(received.get(), "x", 1) == 1 ? 0 : 1;
  });
  a.send(writing);
  CHECK(child.wait() == 0);
  char byte = 0;
  CHECK(::read(reading.get(), &byte, 1) == 1);
  CHECK(byte == 'x');
  const std::size_t before = open_fds();
  std::vector<Fd> many;
  for (int i = 0; i < 300; ++i) many.push_back(reading.duplicate());
  a.send(std::move(many));
  many.clear();
  CHECK(b.recv<std::vector<Fd>>().size() == 300);
  CHECK(open_fds() == before);
  a.send(reading);
  CHECK(text_of(b.recv_bytes()).starts_with("ipc-typd"));
  CHECK(open_fds() == before);
}

TEST_CASE("test_pickling: connections and shared handles travel over a unix socket") {
  auto [a, b] = connected();
  Listener listener;
  Connection client = Client(listener.address());
  ForkedChild child([&b = b] {
    // Made after the fork.
    auto connection = b.recv<Connection>();
    auto counter = b.recv<ipc::Value<int>>();
    counter.fetch_add(1);
    connection.send(std::string("through another"));
    b.send(std::move(connection));
  });
  ipc::Value<int> counter(41);
  a.send(listener.accept());
  a.send(counter);
  CHECK(client.recv<std::string>() == "through another");
  auto back = a.recv<Connection>();
  back.send_bytes("again");
  CHECK(text_of(client.recv_bytes()) == "again");
  CHECK(counter.get() == 42);
  CHECK(child.wait() == 0);
}

TEST_CASE("over TCP a handle is refused with a sentence, and the connection goes on") {
  auto [a, b] = connected("tcp://127.0.0.1:0");
  const ipc::Lock lock;
  try {
    a.send(lock);
    FAIL("sent");
  } catch (const ipc::EncodingError& error) {
    CHECK(std::string(error.what()).find("TCP") != std::string::npos);
  }
  a.send(1);
  CHECK(b.recv<int>() == 1);
}

TEST_CASE("a connection over TCP can be sent over one that carries descriptors") {
  auto [a, b] = connected("tcp://127.0.0.1:0");
  auto [c, d] = connected();
  c.send(std::move(a));
  CHECK(a.closed());
  auto moved = d.recv<Connection>();
  moved.send(6);
  CHECK(b.recv<int>() == 6);
}

TEST_CASE("bytes that are no connection are refused") {
  ipc::detail::Writer writer;
  writer.raw(ipc::detail::CoreKind::socket);
  writer.raw(std::uint8_t{3});
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  const Fd other(ends[1]);
  writer.fd(Fd(ends[0]));
  ipc::detail::Message message = writer.take();
  ipc::detail::Reader reader(message);
  CHECK_THROWS_AS(Connection::ipc_decode(reader), ipc::EncodingError);
}

TEST_CASE("descriptors that nobody asked for are closed") {
  auto [a, b] = connected();
  const std::size_t before = open_fds();
  Fd extra(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const std::array fds{extra.get()};
  const Bytes frame = unhex("0000000161");
  const std::array pieces{std::span<const std::byte>(frame)};
  ipc::os::send_stream(a.fileno(), pieces, fds);
  CHECK(text_of(b.recv_bytes()) == "a");
  extra.reset();
  CHECK(open_fds() == before);
}

TEST_CASE("a socket that somebody made non-blocking still sends and receives whole messages") {
  auto [a, b] = connected();
  for (const int fd : {a.fileno(), b.fileno()}) ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  const Bytes big(std::size_t{8} << 20, std::byte{7});
  auto received = in_background([&b = b] { return b.recv_bytes(); });
  a.send_bytes(big);
  CHECK(received.get() == big);
}

TEST_CASE("test_ignore: signals do not disturb a long message") {
  struct sigaction action = {};
  struct sigaction before = {};
  action.sa_handler = [](int) {};
  ::sigaction(SIGUSR1, &action, &before);
  auto [a, b] = connected();
  const Bytes big(std::size_t{16} << 20, std::byte{7});
  std::atomic<bool> done{false};
  std::thread disturber([&done, self = ::pthread_self()] {
    while (!done) {
      ::pthread_kill(self, SIGUSR1);
      std::this_thread::yield();
    }
  });
  auto echo = in_background([&b = b] { b.send_bytes(b.recv_bytes()); });
  auto sent = in_background([&a = a, &big] { a.send_bytes(big); });
  CHECK(a.recv_bytes() == big);
  echo.get();
  sent.get();
  done = true;
  disturber.join();
  ::sigaction(SIGUSR1, &before, nullptr);
}

/// Each message says how long it is and what it holds, so that a torn one is seen.
Bytes checked_message(std::mt19937& random) {
  const auto size = static_cast<std::uint32_t>(4 + random() % 60000);
  Bytes message(size, static_cast<std::byte>(size));
  std::memcpy(message.data(), &size, sizeof size);
  return message;
}
bool is_whole(const Bytes& message) {
  std::uint32_t size = 0;
  if (message.size() < sizeof size) return false;
  std::memcpy(&size, message.data(), sizeof size);
  return size == message.size() &&
         std::all_of(message.begin() + 4, message.end(), [&](std::byte b) { return b == static_cast<std::byte>(size); });
}

TEST_CASE("either end is killed at random points under load: the other is told, and never gets half a message") {
  std::mt19937 random(20240607);
  const int rounds = ipc::test::KillStorm::kills(100);
  for (int round = 0; round < rounds; ++round) {
    const bool kill_sender = round % 2 == 0;
    auto [a, b] = connected(families[static_cast<std::size_t>(round / 2 % 2)]);
    ForkedChild child([&, &mine = a, &other = b] {
      other.close();
      std::mt19937 own(static_cast<unsigned>(round));
      for (;;) {
        if (kill_sender) {
          mine.send_bytes(checked_message(own));
        } else {
          mine.recv_bytes();
        }
      }
    });
    a.close();
    const auto messages = 1 + random() % 50;
    const auto spins = random() % 20000;
    std::mt19937 own(static_cast<unsigned>(round));
    try {
      for (std::uint64_t i = 0;; ++i) {
        if (i == messages) {
          for (std::uint64_t spin = 0; spin < spins; ++spin) asm volatile("");
          child.kill();
        }
        if (kill_sender) {
          if (!is_whole(b.recv_bytes())) FAIL("torn");
        } else {
          b.send_bytes(checked_message(own));
        }
      }
    } catch (const ipc::EndOfFile&) {
      CHECK(kill_sender);
    } catch (const ipc::BrokenPipe&) {
      CHECK_FALSE(kill_sender);
    }
    CHECK(child.wait() == -SIGKILL);
  }
}

}  // namespace
