// What a pipe promises beyond what CPython's tests of connections ask for.
#include <ipc/connection.hpp>

#include <unistd.h>

#include <optional>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <ipc/event.hpp>
#include <ipc/lock.hpp>
#include <ipc/value.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/transport/bytes_of.hpp"

using ipc::Bytes;
using ipc::test::ForkedChild;
using ipc::test::text_of;

namespace {

struct Longer {
  int id = 0;
  std::string name;
  std::vector<double> samples;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& id& name& samples;
  }
};

struct Job {
  int id = 0;
  ipc::Connection reply;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& id& reply;
  }
};

}  // namespace

TEST_CASE("Connection: values of all kinds arrive as what they were") {
  auto [a, b] = ipc::Pipe();
  a.send("text");
  a.send(Longer{.id = 3, .name = "n", .samples = {1, 2.5}});
  a.send(std::optional<std::pair<bool, char>>());
  CHECK(b.recv<std::string>() == "text");
  const auto longer = b.recv<Longer>();
  CHECK((longer.id == 3 && longer.name == "n" && longer.samples == std::vector<double>{1, 2.5}));
  CHECK_FALSE(b.recv<std::optional<std::pair<bool, char>>>());
}

TEST_CASE("Connection: a message of another type is an error, and gone") {
  auto [a, b] = ipc::Pipe();
  a.send(1);
  a.send(2.0);
  a.send_bytes("bytes");
  a.send(3);
  CHECK_THROWS_AS(b.recv<unsigned>(), ipc::EncodingError);
  CHECK_THROWS_AS(b.recv<std::string>(), ipc::EncodingError);
  CHECK_THROWS_AS(b.recv<int>(), ipc::EncodingError);
  CHECK(b.recv<int>() == 3);
}

TEST_CASE("Connection: recv_bytes refuses what is longer than allowed, and everything after it") {
  auto [a, b] = ipc::Pipe();
  a.send_bytes("12345");
  a.send_bytes("123456");
  CHECK_THROWS_AS(b.recv_bytes(-1), std::invalid_argument);
  CHECK(text_of(b.recv_bytes(5)) == "12345");
  CHECK_THROWS_AS(b.recv_bytes(5), std::system_error);
  CHECK_FALSE(b.readable());
  CHECK(b.writable());
  CHECK_FALSE(b.closed());
  CHECK_THROWS_AS(b.recv_bytes(), ipc::UsageError);
  b.send(1);
  CHECK(a.recv<int>() == 1);
  auto [r, w] = ipc::Pipe(false);
  w.send_bytes("123456");
  CHECK_THROWS_AS(r.recv_bytes(5), std::system_error);
  CHECK(r.closed());
}

TEST_CASE("Connection: a send does not block while less than 64 KiB is unread") {
  auto [a, b] = ipc::Pipe();
  for (int i = 0; i < 65535; ++i) a.send_bytes("x");
  for (int i = 0; i < 65535; ++i) b.recv_bytes();
  a.send_bytes(std::string(65535, 'x'));
  CHECK(b.recv_bytes().size() == 65535);
  for (int i = 0; i < 16384 / 3; ++i) a.send(i);
  for (int i = 0; i < 16384 / 3; ++i) CHECK(b.recv<int>() == i);
}

TEST_CASE("Connection: shared handles made after the fork can be sent") {
  auto [conn, child_conn] = ipc::Pipe();
  ForkedChild child([&conn = conn, &child_conn = child_conn] {
    conn.close();
    const auto lock = child_conn.recv<ipc::Lock>();
    const auto value = child_conn.recv<ipc::Value<int>>();
    const auto event = child_conn.recv<ipc::Event>();
    lock.lock();
    value.set(42);
    lock.unlock();
    event.set();
  });
  child_conn.close();
  const ipc::Lock lock;
  const ipc::Value<int> value(1);
  const ipc::Event event;
  conn.send(lock);
  conn.send(value);
  conn.send(event);
  event.wait();
  lock.lock();
  CHECK(value.get() == 42);
  lock.unlock();
  CHECK(child.wait() == 0);
}

TEST_CASE("Connection: processes that inherited an end use it one after the other") {
  auto [a, b] = ipc::Pipe();
  a.send(1);
  CHECK(b.recv<int>() == 1);
  for (int i = 0; i < 5; ++i) {
    // The child's copies have seen less than ours, and ours will have seen less than the child's.
    ForkedChild sender([&a = a, i] {
      a.send(10 * i);
      a.send(10 * i + 1);
    });
    CHECK(sender.wait() == 0);
    a.send(10 * i + 2);
    ForkedChild receiver([&b = b, i] { return b.recv<int>() == 10 * i && b.recv<int>() == 10 * i + 1 ? 0 : 1; });
    CHECK(receiver.wait() == 0);
    CHECK(b.recv<int>() == 10 * i + 2);
  }
}

TEST_CASE("Connection: what was published before the other end went can be received, then the end") {
  auto [a, b] = ipc::Pipe();
  ForkedChild child([&a = a, &b = b] {
    b.close();
    for (int i = 0; i < 100; ++i) a.send(i);
    a.send(ipc::Fd::duplicate_of(0));
  });
  a.close();
  CHECK(child.wait() == 0);
  for (int i = 0; i < 100; ++i) CHECK(b.recv<int>() == i);
  CHECK(b.recv<ipc::Fd>().get() >= 0);
  CHECK_THROWS_AS(b.recv<int>(), ipc::EndOfFile);
  CHECK_THROWS_AS(b.recv<int>(), ipc::EndOfFile);
}

TEST_CASE("Connection: a sender that waits for room learns that the other end was closed") {
  auto [a, b] = ipc::Pipe();
  const pid_t here = ::getpid();
  std::jthread closer([&b = b, here] {
    ipc::test::wait_until_asleep(here);
    b.close();
  });
  const std::string big(8 << 20, 'x');
  CHECK_THROWS_AS(a.send_bytes(big), ipc::BrokenPipe);
  // What was sent only in part does not make it another error.
  for (int i = 0; i < 2; ++i) {
    CHECK_THROWS_AS(a.send(1), ipc::BrokenPipe);
    CHECK_THROWS_WITH(a.send(1), ipc::test::has_text("the other end of the connection is closed"));
  }
}

TEST_CASE("Connection: a class with a connection in it is sent when it is given up") {
  auto [a, b] = ipc::Pipe();
  auto [here, there] = ipc::Pipe();
  a.send(Job{.id = 7, .reply = std::move(there)});
  auto job = b.recv<Job>();
  job.reply.send(job.id);
  CHECK(here.recv<int>() == 7);
}

TEST_CASE("Connection: two ends that send more than fits to each other wait, and go on when one receives") {
  auto [a, b] = ipc::Pipe();
  std::string big(5 << 20, '\0');
  for (std::size_t i = 0; i < big.size(); ++i) big[i] = static_cast<char>(i / 4096 + i % 251);
  // Each has a thread that receives and one that sends.
  std::jthread b_sends([&b = b, &big] { b.send_bytes(big); });
  std::jthread a_sends([&a = a, &big] { a.send_bytes(big); });
  std::jthread b_receives([&b = b, &big] {
    if (text_of(b.recv_bytes()) != big) std::abort();
  });
  CHECK(text_of(a.recv_bytes()) == big);
}
