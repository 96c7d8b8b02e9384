// Descriptors that travel with messages: they arrive with theirs, whoever looked at the connection before, or lose only that one.
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <cstring>
#include <future>
#include <string>
#include <system_error>
#include <utility>

#include <ipc/connection.hpp>
#include <ipc/listener.hpp>
#include <ipc/wait.hpp>

#include "ipc/os/socket.hpp"
#include "ipc/transport/pipe.hpp"
#include "ipc/transport/pipe_memory.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/no_descriptors.hpp"
#include "tests/transport/sockets.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Connection;
using ipc::Fd;
using ipc::test::NoDescriptors;
using namespace ipc::transport;

using Named = std::pair<std::string, Fd>;

bool is_null_device(const Fd& fd) {
  struct stat got {};
  struct stat expected {};
  return ::fstat(fd.get(), &got) == 0 && ::stat("/dev/null", &expected) == 0 && got.st_rdev == expected.st_rdev;
}

bool is_readable(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1;
}

/// A sender that takes its time between the descriptors and their message.
class SlowSender {
 public:
  explicit SlowSender(ipc::detail::ConnectionCore& end) : SlowSender(encoded(end)) {}

  void send_descriptor() {
    const std::array fds{null_.get()};
    send({PipePacket::Kind::descriptors, ring_.position()}, fds);
  }
  void send_message() {
    ipc::detail::Writer writer;
    writer.raw(ipc::detail::type_tag<Fd>());
    ipc::detail::encode(writer, null_);
    const auto header = MessageHeader::pack(writer.size(), 1, 1);
    std::byte* const at = ring_.room(header.total()).data();
    std::memcpy(at, &header, sizeof header);
    std::memcpy(at + sizeof header, writer.view().data(), writer.size());
    ring_.advance(header.total());
    static_cast<void>(ring_.publish_and_ask());
    send({}, {});
  }

 private:
  static ipc::detail::Message encoded(ipc::detail::ConnectionCore& end) {
    ipc::detail::Writer writer;
    end.encode(writer);
    return writer.take();
  }
  explicit SlowSender(ipc::detail::Message message)
      : memory_(PipeMemory::open(std::move(message.fds.at(0)))),
        socket_(std::move(message.fds.at(1))),
        ring_(memory_.words().directions[1].ring, memory_.data(1), memory_.capacity()) {}
  void send(PipePacket packet, std::span<const int> fds) { ipc::os::send_packet(socket_.get(), std::as_bytes(std::span(&packet, 1)), fds); }

  PipeMemory memory_;
  Fd socket_;
  RingWriter ring_;
  Fd null_{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
};

struct Fixture {
  Fixture() : sender(*ends.second), receiver(std::move(ends.first)) {}
  PipeEnds ends = make_pipe(true, 4096);
  SlowSender sender;
  Connection receiver;
};

void look_in_vain(const Connection& end, bool by_wait) {
  if (by_wait) {
    CHECK(ipc::wait({end}, 1ms).empty());
    CHECK(ipc::wait({end}, 0ms).empty());
  } else {
    auto& polled = const_cast<Connection&>(end);
    CHECK_FALSE(polled.poll(1ms));
    CHECK_FALSE(polled.poll());
  }
}

}  // namespace

TEST_CASE("Pipe: descriptors that came before their message are there for whom the end is sent to meanwhile") {
  const bool by_wait = GENERATE(false, true);
  Fixture f;
  for (int i = 0; i < 3; ++i) {
    f.sender.send_descriptor();
    look_in_vain(f.receiver, by_wait);
    auto [x, y] = ipc::Pipe();
    x.send(std::move(f.receiver));
    f.receiver = y.recv<Connection>();
    look_in_vain(f.receiver, by_wait);
    f.sender.send_message();
    CHECK(f.receiver.poll());
    CHECK(is_null_device(f.receiver.recv<Fd>()));
    look_in_vain(f.receiver, by_wait);
  }
  CHECK_FALSE(is_readable(f.receiver.fileno()));
}

TEST_CASE("Pipe: descriptors that came before their message are there for a forked child that receives next") {
  Fixture f;
  auto [turn, my_turn] = ipc::Pipe();
  ipc::test::ForkedChild child([&, &my_turn = my_turn] {
    my_turn.recv<int>();
    return is_null_device(f.receiver.recv<Fd>()) ? 0 : 1;
  });
  f.sender.send_descriptor();
  look_in_vain(f.receiver, false);
  f.sender.send_message();
  turn.send(1);
  CHECK(child.wait() == 0);
  CHECK_FALSE(f.receiver.poll());
}

TEST_CASE("Pipe: a message of descriptors ends a wait that began when only they were there") {
  Fixture f;
  f.sender.send_descriptor();
  auto received = ipc::test::in_background([&] { return is_null_device(f.receiver.recv<Fd>()); });
  CHECK(received.wait_for(20ms) == std::future_status::timeout);
  f.sender.send_message();
  CHECK(received.get());
}

TEST_CASE("Pipe: the socket is silent after descriptors that came with a message in many pieces") {
  auto [a, b] = ipc::Pipe();
  const int socket = b.fileno();
  constexpr std::size_t size = std::size_t{3} << 20;  // More than the ring holds.
  for (int i = 0; i < 3; ++i) {
    auto sent = ipc::test::in_background([&a = a] { a.send(Named(std::string(size, 'x'), Fd::duplicate_of(0))); });
    REQUIRE(b.poll(10s));
    CHECK(b.recv<Named>().first.size() == size);
    sent.get();
    CHECK_FALSE(b.poll());
    CHECK_FALSE(is_readable(socket));
  }
}

TEST_CASE("a process at its limit of descriptors loses the message that brings one, and no other") {
  const bool over_pipe = GENERATE(true, false);
  Connection a;
  Connection b;
  if (over_pipe) {
    std::tie(a, b) = ipc::Pipe();
  } else {
    ipc::Listener listener;
    a = ipc::Client(listener.address());
    b = listener.accept();
  }
  // One that does not fit into what a connection holds, too.
  for (const std::size_t size : {std::size_t{10}, std::size_t{4} << 20}) {
    auto sent = ipc::test::in_background([&] {
      a.send(Named(std::string(size, 'x'), Fd::duplicate_of(0)));
      a.send(5);
    });
    REQUIRE(b.poll(10s));
    {
      const NoDescriptors none;
      CHECK_THROWS_AS(b.recv<Named>(), std::system_error);
    }
    CHECK(b.readable());
    CHECK(b.recv<int>() == 5);
    sent.get();
    CHECK_FALSE(b.poll());
  }
  a.send(Fd::duplicate_of(0));
  CHECK(b.recv<Fd>().get() >= 0);
}

TEST_CASE("a connection that cannot be sent at the limit of descriptors stays what it was") {
  auto [a, b] = ipc::Pipe();
  auto [x, y] = ipc::Pipe();
  x.send(77);
  {
    const NoDescriptors none;
    CHECK_THROWS_AS(a.send(std::move(y)), std::system_error);
  }
  CHECK_FALSE(y.closed());
  a.send(std::move(y));
  auto arrived = b.recv<Connection>();
  CHECK(arrived.recv<int>() == 77);
  arrived.send(78);
  CHECK(x.recv<int>() == 78);
}
