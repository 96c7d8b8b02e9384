// CPython's _TestConnection, _TestPoll and _TestPicklingConnections, by their names, over the pipes of this library.
#include <ipc/connection.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>
#include <variant>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/transport/bytes_of.hpp"

using ipc::Bytes;
using ipc::Connection;
using ipc::test::ForkedChild;
using ipc::test::text_of;
using namespace std::chrono_literals;

namespace {

std::span<std::byte> room(std::string& text) { return std::as_writable_bytes(std::span(text)); }

std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((i * 7 + i / 251) % 251);
  return text;
}

/// Sends back the bytes it gets until an empty message comes.
void echo(Connection connection) {
  for (;;) {
    const Bytes message = connection.recv_bytes();
    if (message.empty()) return;
    connection.send_bytes(message);
  }
}

}  // namespace

TEST_CASE("Connection: test_connection") {
  auto [conn, child_conn] = ipc::Pipe();
  ForkedChild child([&conn = conn, &child_conn = child_conn] {
    conn.close();
    echo(std::move(child_conn));
  });
  child_conn.close();

  conn.send(std::vector<std::variant<int, std::string>>{1, "two"});
  CHECK(text_of(conn.recv_bytes()).size() > 8);  // A type's tag and the encoding.
  conn.send_bytes("latin");
  CHECK(text_of(conn.recv_bytes()) == "latin");

  std::string buffer(100, '-');
  conn.send_bytes("some bytes");
  CHECK(conn.recv_bytes_into(room(buffer)) == 10);
  CHECK(buffer.substr(0, 11) == "some bytes-");
  conn.send_bytes("more");
  CHECK(conn.recv_bytes_into(room(buffer).subspan(10)) == 4);
  CHECK(buffer.substr(0, 15) == "some bytesmore-");

  conn.send_bytes(std::string(101, 'x'));
  try {
    conn.recv_bytes_into(room(buffer));
    FAIL();
  } catch (const ipc::BufferTooShort& e) {
    CHECK(text_of(e.message()) == std::string(101, 'x'));
  }

  CHECK_FALSE(conn.poll());
  CHECK_FALSE(conn.poll(-1s));
  CHECK_FALSE(conn.poll(10ms));
  conn.send_bytes("here");
  CHECK(conn.poll(1h));
  CHECK(conn.poll());
  CHECK(text_of(conn.recv_bytes()) == "here");
  CHECK_FALSE(conn.poll());

  const std::string really_big = pattern(16 << 20);
  conn.send_bytes(really_big);
  CHECK(text_of(conn.recv_bytes()) == really_big);

  conn.send_bytes("");
  CHECK(child.wait() == 0);
  CHECK(conn.poll());
  CHECK_THROWS_AS(conn.recv<int>(), ipc::EndOfFile);
  CHECK_THROWS_AS(conn.recv_bytes(), ipc::EndOfFile);
  CHECK_THROWS_AS(conn.recv_bytes_into(room(buffer)), ipc::EndOfFile);
  CHECK_THROWS_AS(conn.send(1), ipc::BrokenPipe);
  CHECK_THROWS_AS(conn.send_bytes("x"), ipc::BrokenPipe);
}

TEST_CASE("Connection: test_duplex_false") {
  auto [reader, writer] = ipc::Pipe(false);
  CHECK(reader.readable());
  CHECK_FALSE(reader.writable());
  CHECK_FALSE(writer.readable());
  CHECK(writer.writable());
  writer.send(1);
  CHECK(reader.recv<int>() == 1);
  CHECK_THROWS_AS(reader.send(2), ipc::UsageError);
  CHECK_THROWS_AS(reader.send_bytes(""), ipc::UsageError);
  CHECK_THROWS_AS(writer.recv<int>(), ipc::UsageError);
  CHECK_THROWS_AS(writer.recv_bytes(), ipc::UsageError);
  CHECK_THROWS_AS(writer.poll(), ipc::UsageError);
  CHECK_THROWS_AS(writer.poll(1s), ipc::UsageError);
}

TEST_CASE("Connection: test_spawn_close") {
  // The parent closes the child's end at once: the child has its own.
  auto [conn, child_conn] = ipc::Pipe();
  ForkedChild child([&conn = conn, &child_conn = child_conn] {
    conn.close();
    echo(std::move(child_conn));
  });
  child_conn.close();
  conn.send_bytes("hello");
  CHECK(text_of(conn.recv_bytes()) == "hello");
  conn.send_bytes("");
  CHECK(child.wait() == 0);
}

TEST_CASE("Connection: test_sendbytes") {
  auto [a, b] = ipc::Pipe();
  const std::string msg = "abcdefghijklmnopqrstuvwxyz";
  a.send_bytes(msg);
  CHECK(text_of(b.recv_bytes()) == msg);
  a.send_bytes(std::string_view(msg).substr(5));
  CHECK(text_of(b.recv_bytes()) == msg.substr(5));
  a.send_bytes(std::string_view(msg).substr(7, 8));
  CHECK(text_of(b.recv_bytes()) == msg.substr(7, 8));
  a.send_bytes(std::string_view(msg).substr(26));
  CHECK(b.recv_bytes().empty());
  a.send_bytes(Bytes(3, std::byte{7}));
  CHECK(b.recv_bytes() == Bytes(3, std::byte{7}));
}

TEST_CASE("Connection: test_fd_transfer, test_large_fd_transfer") {
  auto [a, b] = ipc::Pipe();
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const ipc::Fd reader(ends[0]);
  ipc::Fd writer(ends[1]);
  // A number beyond what a select or a byte could hold.
  const ipc::Fd large(::fcntl(writer.get(), F_DUPFD_CLOEXEC, 300));
  REQUIRE(large.get() >= 300);
  ForkedChild child([&a = a, &b = b] {
    a.close();
    for (int i = 0; i < 3; ++i) {
      const auto fd = b.recv<ipc::Fd>();
      if (::write(fd.get(), "bar", 3) != 3) return 1;
    }
    return 0;
  });
  b.close();
  a.send(writer);
  a.send(large);
  a.send(std::move(writer));
  CHECK(child.wait() == 0);
  std::string got(9, '\0');
  CHECK(::read(reader.get(), got.data(), got.size()) == 9);
  CHECK(got == "barbarbar");
}

TEST_CASE("Connection: test_missing_fd_transfer") {
  auto [a, b] = ipc::Pipe();
  a.send(5);
  CHECK_THROWS_AS(b.recv<ipc::Fd>(), ipc::EncodingError);
}

TEST_CASE("Connection: test_ignore") {
  // Signals disturb neither a receiver that sleeps nor a sender that waits for room.
  auto [conn, child_conn] = ipc::Pipe();
  ForkedChild child([&conn = conn, &child_conn = child_conn] {
    conn.close();
    struct sigaction action = {};
    action.sa_handler = [](int) {};
    ::sigaction(SIGUSR1, &action, nullptr);
    child_conn.send("ready");
    child_conn.send(child_conn.recv<int>());
    child_conn.send_bytes(std::string(4 << 20, 'x'));
    return child_conn.poll(1h) ? 0 : 1;
  });
  child_conn.close();
  const auto interrupt_its_sleep = [&child] {
    for (int i = 0; i < 3; ++i) {
      ipc::test::wait_until_asleep(child.pid());
      ::kill(child.pid(), SIGUSR1);
    }
  };
  CHECK(conn.recv<std::string>() == "ready");
  interrupt_its_sleep();
  conn.send(1234);
  CHECK(conn.recv<int>() == 1234);
  interrupt_its_sleep();
  CHECK(conn.recv_bytes().size() == 4 << 20);
  interrupt_its_sleep();
  conn.send(0);
  CHECK(child.wait() == 0);
}

TEST_CASE("Connection: test_context") {
  auto [a, b] = ipc::Pipe();
  a.send(1729);
  CHECK(b.recv<int>() == 1729);
  CHECK_FALSE(a.closed());
  a.close();
  a.close();
  CHECK(a.closed());
  CHECK_FALSE(a.readable());
  CHECK_FALSE(a.writable());
  CHECK_THROWS_AS(a.recv<int>(), ipc::UsageError);
  CHECK_THROWS_AS(a.send(1), ipc::UsageError);
  CHECK_THROWS_AS(a.poll(), ipc::UsageError);
  CHECK_THROWS_AS(a.fileno(), ipc::UsageError);
  Connection moved = std::move(b);
  CHECK(b.closed());
  CHECK_THROWS_AS(b.recv<int>(), ipc::UsageError);
  CHECK_THROWS_AS(moved.recv<int>(), ipc::EndOfFile);
  CHECK_THROWS_AS(moved.send(std::move(moved)), ipc::UsageError);
}

// --- _TestPoll -----------------------------------------------------------------------------------------------------------

TEST_CASE("Connection: test_empty_string") {
  auto [a, b] = ipc::Pipe();
  CHECK_FALSE(a.poll());
  b.send_bytes("");
  CHECK(a.poll());
  CHECK(a.poll());
  CHECK(a.recv_bytes().empty());
  CHECK_FALSE(a.poll());
}

TEST_CASE("Connection: test_strings") {
  const std::vector<std::string> strings{"hello", "", "a", "b", "", "bye", "", "lop"};
  auto [a, b] = ipc::Pipe();
  ForkedChild child([&, &a = a, &b = b] {
    b.close();
    for (const std::string& s : strings) a.send_bytes(s);
  });
  a.close();
  for (const std::string& s : strings) {
    CHECK(b.poll(1h));
    CHECK(text_of(b.recv_bytes()) == s);
  }
  CHECK(child.wait() == 0);
}

TEST_CASE("Connection: test_boundaries") {
  // Looking takes nothing, in whichever process it is done.
  auto [r, w] = ipc::Pipe(false);
  ForkedChild child([&r = r, &w = w] {
    w.close();
    return r.poll(1h) ? 0 : 1;
  });
  w.send_bytes("first");
  w.send_bytes("second");
  CHECK(child.wait() == 0);
  CHECK(text_of(r.recv_bytes()) == "first");
  CHECK(text_of(r.recv_bytes()) == "second");
}

TEST_CASE("Connection: test_dont_merge") {
  auto [a, b] = ipc::Pipe();
  CHECK_FALSE(a.poll());
  CHECK_FALSE(b.poll());
  a.send_bytes("1");
  a.send_bytes("22");
  a.send_bytes("");
  CHECK(b.poll());
  CHECK(text_of(b.recv_bytes()) == "1");
  CHECK(b.poll());
  CHECK(text_of(b.recv_bytes()) == "22");
  CHECK(b.poll());
  CHECK(b.recv_bytes().empty());
  CHECK_FALSE(b.poll(0s));
}

// --- _TestPicklingConnections --------------------------------------------------------------------------------------------

TEST_CASE("Connection: test_pickling") {
  auto [conn, child_conn] = ipc::Pipe();
  ForkedChild child([&conn = conn, &child_conn = child_conn] {
    conn.close();
    auto given = child_conn.recv<Connection>();
    given.send(std::string("through what was sent"));
    auto many = child_conn.recv<std::vector<Connection>>();
    for (Connection& one : many) one.send(one.recv<int>() * 2);
  });
  child_conn.close();
  // Made after the fork.
  auto [here, there] = ipc::Pipe();
  here.send(5);
  conn.send(std::move(there));
  CHECK(there.closed());
  CHECK(here.recv<std::string>() == "through what was sent");
  std::vector<Connection> ours;
  std::vector<Connection> theirs;
  for (int i = 0; i < 30; ++i) {
    auto [x, y] = ipc::Pipe();
    x.send(i);
    ours.push_back(std::move(x));
    theirs.push_back(std::move(y));
  }
  conn.send(std::move(theirs));
  for (int i = 0; i < 30; ++i) CHECK(ours[static_cast<std::size_t>(i)].recv<int>() == 2 * i);
  CHECK(child.wait() == 0);
}

TEST_CASE("Connection: test_access") {
  auto [conn, child_conn] = ipc::Pipe();
  ForkedChild child([&conn = conn, &child_conn = child_conn] {
    conn.close();
    auto w = child_conn.recv<Connection>();
    if (w.readable() || !w.writable()) return 1;
    w.send(std::string("all is well"));
    w.close();
    auto r = child_conn.recv<Connection>();
    if (!r.readable() || r.writable()) return 2;
    child_conn.send(r.recv<std::string>() + "!");
    return 0;
  });
  child_conn.close();
  auto [r, w] = ipc::Pipe(false);
  conn.send(std::move(w));
  CHECK(r.recv<std::string>() == "all is well");
  CHECK_THROWS_AS(r.recv<std::string>(), ipc::EndOfFile);
  auto [r2, w2] = ipc::Pipe(false);
  conn.send(std::move(r2));
  w2.send(std::string("foobar"));
  CHECK(conn.recv<std::string>() == "foobar!");
  CHECK(child.wait() == 0);
}
