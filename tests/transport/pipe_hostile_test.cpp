// A peer that writes whatever it likes to the memory it shares with us: it gets an error, and no access outside of the rings.
#include <sys/mman.h>

#include <random>
#include <string>
#include <system_error>

#include <ipc/connection.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>

#include "ipc/os/memfd.hpp"
#include "ipc/transport/pipe.hpp"
#include "ipc/transport/pipe_words.hpp"
#include "tests/support/catch.hpp"

using ipc::Connection;
using ipc::detail::Message;
using ipc::transport::PipeWords;

namespace {

constexpr std::size_t ring = 4096;
constexpr std::size_t whole = 4096 + 2 * ring;

/// An end, and a hostile peer's view of the memory.
struct Target {
  Target() {
    auto ends = ipc::transport::make_pipe(true, ring);
    end = Connection(std::move(ends.first));
    ipc::detail::Writer writer;
    ends.second->encode(writer);
    Message message = writer.take();
    memory = std::move(message.fds[0]);
    socket = std::move(message.fds[1]);
    at = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  }
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  ~Target() { ::munmap(at, whole); }
  PipeWords& words() const { return *static_cast<PipeWords*>(at); }
  std::atomic<std::uint64_t>* word(std::size_t offset) const { return static_cast<std::atomic<std::uint64_t>*>(at) + offset / 8; }

  Connection end;
  ipc::Fd memory;
  ipc::Fd socket;
  void* at = nullptr;
};

}  // namespace

TEST_CASE("Pipe: words that a hostile peer wrote are an error, never an access outside") {
  std::mt19937_64 random(17);
  int errors = 0;
  for (int trial = 0; trial < 3000; ++trial) {
    Target target;
    Connection& end = target.end;
    try {
      for (int step = 0; step < 20; ++step) {
        const std::uint64_t value = random() % 3 == 0 ? random() : random() % (4 * ring);
        auto& incoming = target.words().directions[1];
        auto& outgoing = target.words().directions[0];
        switch (random() % 8) {
          case 0:
          case 1:
            incoming.ring.tail = value;
            break;
          case 2:
            outgoing.ring.head = value;
            break;
          case 3:
            incoming.ring.tail = 64 + random() % ring;
            target.word(4096 + ring)->store(random() % 2 == 0 ? random() : random() % (2 * ring));
            break;
          case 4:
            target.word(random() % sizeof(PipeWords))->store(value);
            break;
          case 5:
            incoming.ring.head = value;
            break;
          case 6:
            outgoing.ring.tail = value;
            break;
          default:
            target.word(4096 + random() % (2 * ring))->store(value);
            break;
        }
        // Nothing that a peer leaves undone ends a wait: so only what does not wait. The sender looks for room from `tail` if it believes
        // that somebody else has sent.
        const std::uint64_t tail = ipc::transport::count_of(outgoing.ring.tail);
        outgoing.producer.announced = ~tail;
        const std::uint64_t room = ring - (tail - outgoing.ring.head);
        if (room >= 600 && room <= ring) end.send_bytes(std::string(random() % 500, 'x'));
        const std::uint64_t there = ipc::transport::count_of(incoming.ring.tail) - incoming.ring.head;
        if (there >= 8 && there <= ring && incoming.consumer.owed <= incoming.ring.head) {
          ipc::transport::MessageHeader header{target.word(4096 + ring + ((incoming.ring.head % ring) & ~std::uint64_t{7}))->load()};
          if (header.total() <= there && incoming.ring.head % 8 == 0) {
            unsigned sum = 0;
            for (const std::byte byte : end.recv_bytes()) sum += static_cast<unsigned>(byte);
            (void)sum;
          }
        } else if (there > ring) {
          end.poll();
        }
        if (random() % 4 == 0) end.fileno();
      }
    } catch (const ipc::Error&) {
      ++errors;
    } catch (const std::system_error&) {
      ++errors;
    } catch (const ipc::UsageError&) {
      ++errors;
    }
  }
  CHECK(errors > 1000);
}

TEST_CASE("Pipe: a ring that is spoilt while a message is in hand ends no process, and the connection") {
  auto ends = ipc::transport::make_pipe(true, ring);
  ends.second->send_bytes(std::as_bytes(std::span("message", 7)));
  ipc::detail::Writer writer;
  ends.second->encode(writer);
  const Message message = writer.take();
  void* const at = ::mmap(nullptr, whole, PROT_READ | PROT_WRITE, MAP_SHARED, message.fds[0].get(), 0);
  REQUIRE(at != MAP_FAILED);
  auto& receiver = *ends.first;
  REQUIRE(receiver.fileno() >= 0);  // So that what is released is followed by a look at the ring.
  REQUIRE(receiver.receive(ipc::detail::ConnectionCore::any_size, {}).bytes.size() == 7);
  static_cast<PipeWords*>(at)->directions[1].ring.tail = 1'000'000;
  // A destructor calls it: whatever left it would end the process.
  REQUIRE_NOTHROW(receiver.release());
  REQUIRE_FALSE(receiver.readable());
  REQUIRE_THROWS_AS(receiver.poll(ipc::detail::Deadline::expired_already()), ipc::UsageError);
  ::munmap(at, whole);
}

TEST_CASE("Pipe: what is no pipe's memory is not taken for one") {
  const auto decode = [](ipc::Fd memory) {
    Target target;
    ipc::detail::Writer writer;
    writer.raw(ipc::detail::CoreKind::pipe);
    writer.raw(std::uint8_t{7});
    writer.fd(std::move(memory));
    writer.fd(std::move(target.socket));
    Message message = writer.take();
    ipc::detail::Reader reader(message);
    Connection::ipc_decode(reader);
  };
  CHECK_THROWS_AS(decode(ipc::os::make_memfd("test", 4096)), ipc::EncodingError);
  CHECK_THROWS_AS(decode(ipc::os::make_memfd("test", 4096 + 2 * 5000)), ipc::EncodingError);
  CHECK_THROWS_AS(decode(ipc::os::make_memfd("test", whole)), ipc::EncodingError);  // Without its magic.
  // One that could shrink under our feet.
  CHECK_THROWS_AS(decode(ipc::Fd(::memfd_create("test", MFD_CLOEXEC))), ipc::EncodingError);
  Message message{ipc::Bytes{std::byte{9}, std::byte{7}}, {}};
  ipc::detail::Reader reader(message);
  CHECK_THROWS_AS(Connection::ipc_decode(reader), ipc::EncodingError);
}
