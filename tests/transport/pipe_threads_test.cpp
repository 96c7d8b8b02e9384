// Pipes between threads over one mapping: what ThreadSanitizer can judge.
#include <ipc/connection.hpp>

#include <string>
#include <thread>

#include "ipc/transport/pipe.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/pattern.hpp"

using ipc::Connection;

namespace {

constexpr std::size_t small_ring = 4096;

std::pair<Connection, Connection> small_pipe() {
  auto ends = ipc::transport::make_pipe(true, small_ring);
  return {Connection(std::move(ends.first)), Connection(std::move(ends.second))};
}

}  // namespace

TEST_CASE("Pipe: messages of every size make round trips whole and in order") {
  auto [a, b] = small_pipe();
  constexpr std::uint32_t count = 3000;
  ipc::test::Threads::run(2, [&, &a = a, &b = b](int who) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (who == 0) {
        b.send_bytes(b.recv_bytes());
      } else {
        a.send_bytes(ipc::test::pattern(i, small_ring));
        ipc::test::require(ipc::test::is_pattern(a.recv_bytes(), i, small_ring), "a message is not what was sent");
      }
    }
  });
}

TEST_CASE("Pipe: on each end one thread sends while another receives") {
  auto [a, b] = small_pipe();
  constexpr std::uint32_t count = 4000;
  ipc::test::Threads::run(4, [&, &a = a, &b = b](int who) {
    Connection& end = who % 2 == 0 ? a : b;
    for (std::uint32_t i = 0; i < count; ++i) {
      if (who < 2)
        end.send_bytes(ipc::test::pattern(i, small_ring));
      else
        ipc::test::require(ipc::test::is_pattern(end.recv_bytes(), i, small_ring), "a message is not what was sent");
    }
  });
}

TEST_CASE("Pipe: values and descriptors among each other, encoded in the ring") {
  auto [a, b] = small_pipe();
  constexpr int count = 2000;
  ipc::test::Threads::run(2, [&, &a = a, &b = b](int who) {
    for (int i = 0; i < count; ++i) {
      const std::vector<double> numbers(static_cast<std::size_t>(i % 700), i);
      if (who == 0) {
        a.send(std::pair(i, numbers));
        if (i % 50 == 0) a.send(ipc::Fd::duplicate_of(0));
      } else {
        ipc::test::require(b.recv<std::pair<int, std::vector<double>>>() == std::pair(i, numbers), "a value is not what was sent");
        if (i % 50 == 0) ipc::test::require(b.recv<ipc::Fd>().get() >= 0, "a descriptor is missing");
      }
    }
  });
}

TEST_CASE("Pipe: a watched end keeps its promise while the sender races") {
  auto [a, b] = small_pipe();
  constexpr int count = 3000;
  ipc::test::Threads::run(2, [&, &a = a, &b = b](int who) {
    if (who == 1) b.fileno();
    for (int i = 0; i < count; ++i) {
      if (who == 0) {
        a.send(i);
      } else {
        b.poll(std::chrono::hours(1));
        ipc::test::require(b.recv<int>() == i, "a value is not what was sent");
      }
    }
  });
}
