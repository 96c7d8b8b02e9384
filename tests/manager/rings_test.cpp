// Clients of this machine go on through rings in shared memory: what goes through them, and what a hostile one can do there.
#include <array>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/served.hpp>
#include <ipc/fd.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "ipc/manager/rings.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/transport/client.hpp"
#include "ipc/transport/pipe_memory.hpp"
#include "ipc/transport/socket_connection.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/requests.hpp"

namespace {

using ipc::detail::ConnectionCore;
using ipc::detail::Op;
using ipc::detail::Reader;
using ipc::detail::RequestHeader;
using ipc::manager::ring_capacity;
using ipc::test::wait_until;

TEST_CASE("values of every size are the same through rings and beside them") {
  const ipc::Manager m;
  const auto list = m.list<std::string>();
  std::vector<std::string> values;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, ring_capacity / 2 - 100, ring_capacity / 2, ring_capacity, 5 * ring_capacity}) {
    for (std::size_t more = 0; more < 60; more += 7) values.emplace_back(size + more, static_cast<char>('a' + more % 26));
  }
  for (const std::string& value : values) list.append(value);
  for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(list.get(static_cast<std::ptrdiff_t>(i)) == values[i]);
  REQUIRE(list.to_vector() == values);
}

TEST_CASE("many threads and processes, each with rings of its own, and calls that wait among them") {
  const ipc::Manager m;
  const auto sum = m.Value<int>(0);
  const auto queue = m.Queue<int>(1);
  const auto work = [&] {
    for (int i = 0; i < 200; ++i) {
      sum.update([](int& x) { ++x; });
      queue.put(i);
      queue.get();
    }
  };
  std::vector<ipc::Process> children;
  for (int i = 0; i < 3; ++i) children.emplace_back(work).start();
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) threads.emplace_back(work);
  for (std::thread& thread : threads) thread.join();
  for (ipc::Process& child : children) child.join();
  CHECK(sum.get() == 1200);
}

/// A client that speaks the protocol by hand up to the point where it has rings.
class HostileClient {
 public:
  explicit HostileClient(const std::string& address) : socket_(ipc::transport::connect_client(address, {})) {
    ask(ipc::test::hello(1));
    const auto answer = ask(ipc::test::request({.op = Op::rings}));
    Reader reader(answer.bytes, answer.fds);
    REQUIRE(reader.raw<ipc::detail::Outcome>() == ipc::detail::Outcome::done);
    reader.raw<std::uint16_t>();  // What kind of an end follows.
    memory_ = std::make_unique<ipc::transport::PipeMemory>(ipc::transport::PipeMemory::open(reader.fd()));
    doorbell_ = reader.fd();
  }

  ipc::transport::PipeDirection& sending() const { return memory_->words().directions[1]; }
  std::byte* data() const { return memory_->data(1); }
  std::byte* control() const { return reinterpret_cast<std::byte*>(&memory_->words()); }
  void ring(std::span<const int> fds = {}) const {
    constexpr std::array<std::byte, 16> packet{};
    ipc::os::send_packet(doorbell_.get(), packet, fds, false);
  }
  /// Publishes a header and so many bytes behind it.
  void publish(ipc::transport::MessageHeader header, std::uint64_t bytes) const {
    std::memcpy(data(), &header, sizeof header);
    sending().ring.tail.store(bytes);
    ring();
  }
  /// Whether the server hangs up.
  bool is_hung_up() {
    try {
      for (;;) socket_.receive(ConnectionCore::any_size, {}), socket_.release();
    } catch (const ipc::EndOfFile&) {
      return true;
    }
  }

 private:
  ConnectionCore::Incoming ask(const std::string& request) {
    socket_.release();
    socket_.send_bytes(ipc::test::bytes_in(request));
    return socket_.receive(ConnectionCore::any_size, {});
  }
  ipc::transport::SocketConnection socket_;
  std::unique_ptr<ipc::transport::PipeMemory> memory_;
  ipc::Fd doorbell_;
};

TEST_CASE("what must not be in a ring ends its own connection") {
  using ipc::transport::MessageHeader;
  const ipc::Manager m;
  const auto list = m.list<int>({1});
  SECTION("an index that goes back or too far") {
    HostileClient client(m.address());
    client.publish({}, ring_capacity + 8);
    CHECK(client.is_hung_up());
  }
  SECTION("a message larger than the ring") {
    HostileClient client(m.address());
    client.publish(MessageHeader::pack(ring_capacity, 0, 0), 64);
    CHECK(client.is_hung_up());
  }
  SECTION("descriptors") {
    HostileClient client(m.address());
    client.publish(MessageHeader::pack(24, 0, 1), 32);
    CHECK(client.is_hung_up());
  }
  SECTION("a value") {
    HostileClient client(m.address());
    client.publish(MessageHeader::pack(24, 1, 0), 32);
    CHECK(client.is_hung_up());
  }
  SECTION("an empty request") {
    HostileClient client(m.address());
    client.publish(MessageHeader::pack(0, 0, 0), 8);
    CHECK(client.is_hung_up());
  }
  SECTION("half a request, for ever, and descriptors for nothing") {
    HostileClient client(m.address());
    client.publish(MessageHeader::pack(4096, 0, 0), 64);
    for (int i = 0; i < 1000; ++i) client.ring(std::array<int, 2>{0, 1});
    for (int i = 0; i < 100; ++i) CHECK(list.get(0) == 1);
  }
  CHECK(list.get(0) == 1);
  wait_until([&] { return m.number_of_objects() == 1; });
}

TEST_CASE("a client that writes anything anywhere in its rings harms nobody else") {
  const ipc::Manager m;
  const auto list = m.list<int>({1});
  std::mt19937_64 random(11);
  for (int round = 0; round < 60; ++round) {
    HostileClient client(m.address());
    for (int i = 0; i < 40; ++i) {
      auto* const words = client.control();
      const auto value = random() % 2 == 0 ? random() : random() % (2 * ring_capacity);
      std::memcpy(words + (random() % (2 * sizeof(ipc::transport::PipeDirection) / 8)) * 8, &value, sizeof value);
      // A request of some sort, so that it is taken for a while.
      const RequestHeader header{.op = static_cast<Op>(random() % 8 == 0 ? 3 : 7), .object = random() % 4, .patience = 0};
      const auto size = ipc::transport::MessageHeader::pack(sizeof header, 0, 0);
      auto* const at = client.data() + client.sending().ring.head.load() % ring_capacity;
      std::memcpy(at, &size, sizeof size);
      std::memcpy(at + 8, &header, sizeof header);
      client.ring();
    }
    REQUIRE(list.get(0) == 1);
  }
  wait_until([&] { return m.number_of_objects() == 1; });
}

}  // namespace
