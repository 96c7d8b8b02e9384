#include "ipc/transport/channel.hpp"

#include <sys/mman.h>
#include <unistd.h>
#include <algorithm>
#include <csignal>
#include <cstring>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

#include "ipc/base/spin.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using ipc::base::WaitBudget;
using ipc::detail::Deadline;
using ipc::detail::Writer;
using ipc::transport::Channel;
using ipc::transport::Record;
using ipc::transport::Wake;

namespace {

constexpr std::size_t small_ring = 4096;

/// Bytes that can be told from any others.
std::string pattern(std::uint32_t sequence, std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>((sequence * 31 + i * 7) % 251);
  return text;
}

bool send(Channel& channel, WaitBudget& budget, std::uint32_t sequence, const std::string& text) {
  Writer out(channel.payload_room(), channel.bulk());
  out.bytes(text.data(), text.size() / 2);
  out.bytes(text.data() + text.size() / 2, text.size() - text.size() / 2);
  channel.commit({.sequence = sequence}, out);
  return channel.flush(budget, Wake::data | Wake::room);
}

/// Nothing when the peer has gone.
std::optional<Record> receive(Channel& channel, WaitBudget& budget) {
  for (;;) {
    if (auto record = channel.receive()) return record;
    if (channel.peer_closed() && !channel.has_data()) return std::nullopt;
    channel.wait(Wake::data, budget, Deadline::never());
  }
}

std::string text_of(const Record& record) { return {reinterpret_cast<const char*>(record.payload.data()), record.payload.size()}; }

/// Sizes that meet every border: empty, around the ring's size, several times that, and what lies in bulk.
std::size_t size_of(std::uint32_t sequence) {
  std::mt19937 random(sequence);
  if (random() % 100 == 0) return random() % (100 * small_ring);
  switch (random() % 8) {
    case 0:
      return 0;
    case 1:
      return small_ring - 24 - random() % 16;
    case 2:
      return random() % (5 * small_ring);
    default:
      return random() % 200;
  }
}

}  // namespace

// One mapping, two threads: what ThreadSanitizer can judge.
TEST_CASE("channel: records of every size arrive whole and in order, both ways at once") {
  auto [ours, seed] = Channel::create(small_ring);
  Channel theirs(std::move(seed));
  constexpr std::uint32_t count = 3000;
  std::jthread echo([&theirs = theirs] {
    WaitBudget budget;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto record = receive(theirs, budget);
      const std::string text = text_of(*record);
      theirs.release();
      send(theirs, budget, i, text);
    }
  });
  WaitBudget budget;
  bool right = true;
  for (std::uint32_t i = 0; i < count; ++i) {
    send(ours, budget, i, pattern(i, size_of(i)));
    auto record = receive(ours, budget);
    right = right && record->header.sequence == i && text_of(*record) == pattern(i, size_of(i));
    ours.release();
    ours.publish(Wake::data | Wake::room);
  }
  echo.join();
  CHECK(right);
}

TEST_CASE("channel: a stream one way keeps its order while the reader is slower and faster") {
  auto [ours, seed] = Channel::create(small_ring);
  Channel theirs(std::move(seed));
  constexpr std::uint32_t count = 20000;
  std::jthread producer([&theirs = theirs] {
    WaitBudget budget;
    for (std::uint32_t i = 0; i < count; ++i) send(theirs, budget, i, pattern(i, size_of(i)));
  });
  WaitBudget budget;
  bool right = true;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto record = receive(ours, budget);
    right = right && record->header.sequence == i && text_of(*record) == pattern(i, size_of(i));
    ours.release();
    ours.publish(Wake::data | Wake::room);
    if (i % 1000 < 10) std::this_thread::yield();
  }
  producer.join();
  CHECK(right);
}

TEST_CASE("channel: descriptors arrive with their record") {
  auto [ours, seed] = Channel::create(small_ring);
  Channel theirs(std::move(seed));
  WaitBudget budget;
  for (std::uint32_t i = 0; i < 50; ++i) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    ipc::Fd reader(ends[0]);
    Writer out(ours.payload_room());
    out.raw(i);
    out.fd(ipc::Fd(ends[1]));
    ours.commit({.sequence = i}, out);
    ours.publish();
    auto record = theirs.receive();
    REQUIRE(record);
    REQUIRE(record->fds.size() == 1);
    CHECK(::write(record->fds.front().get(), "x", 1) == 1);
    char c = 0;
    CHECK(::read(reader.get(), &c, 1) == 1);
    theirs.release();
  }
}

TEST_CASE("channel: the death of the other end is told, after what it had published") {
  auto [ours, seed] = Channel::create(small_ring);
  ipc::test::ForkedChild child([&seed = seed] {
    Channel theirs(std::move(seed));
    WaitBudget budget;
    send(theirs, budget, 1, "last words");
    ::_exit(0);
    return 0;
  });
  seed = {};
  child.wait();
  WaitBudget budget;
  auto record = receive(ours, budget);
  REQUIRE(record);
  CHECK(text_of(*record) == "last words");
  ours.release();
  CHECK_FALSE(receive(ours, budget));
}

// Kills the producer at random moments of its stream. What arrives is a gapless beginning of what it sent, each record
// whole; then the end is told.
TEST_CASE("channel: a producer that is killed anywhere leaves only whole records behind") {
  std::mt19937 random(99);
  for (int trial = 0; trial < 150; ++trial) {
    auto [ours, seed] = Channel::create(small_ring);
    ipc::test::ForkedChild child([&seed = seed] {
      Channel theirs(std::move(seed));
      WaitBudget budget;
      for (std::uint32_t i = 0;; ++i) {
        if (!send(theirs, budget, i, pattern(i, size_of(i)))) return 0;
      }
      return 0;
    });
    seed = {};
    WaitBudget budget;
    const std::uint32_t before_kill = static_cast<std::uint32_t>(random() % 300);
    for (std::uint32_t i = 0;; ++i) {
      if (i == before_kill) child.kill();
      auto record = receive(ours, budget);
      if (!record) {
        REQUIRE(i >= before_kill);
        break;
      }
      REQUIRE(record->header.sequence == i);
      REQUIRE(text_of(*record) == pattern(i, size_of(i)));
      ours.release();
      ours.publish(Wake::data | Wake::room);
    }
  }
}

TEST_CASE("channel: a consumer that is killed anywhere does not leave its producer waiting") {
  std::mt19937 random(7);
  for (int trial = 0; trial < 100; ++trial) {
    auto [ours, seed] = Channel::create(small_ring);
    const auto quota = random() % 100;
    ipc::test::ForkedChild child([&seed = seed, quota] {
      Channel theirs(std::move(seed));
      WaitBudget budget;
      for (std::size_t i = 0; i < quota; ++i) {
        receive(theirs, budget);
        theirs.release();
        theirs.publish(Wake::data | Wake::room);
      }
      ::raise(SIGKILL);
      return 0;
    });
    seed = {};
    WaitBudget budget;
    std::uint32_t sent = 0;
    while (send(ours, budget, sent, pattern(sent, 500))) ++sent;
    CHECK(sent >= quota);
  }
}

// A peer that writes garbage to the words of the ring costs an exception, never an access outside of the ring.
TEST_CASE("channel: impossible ring indices are an error") {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 2000; ++trial) {
    auto [ours, seed] = Channel::create(small_ring);
    void* at = ::mmap(nullptr, 4096 + 2 * small_ring, PROT_READ | PROT_WRITE, MAP_SHARED, seed.memory.get(), 0);
    REQUIRE(at != MAP_FAILED);
    auto* words = static_cast<ipc::transport::ChannelWords*>(at);
    WaitBudget budget;
    try {
      for (int step = 0; step < 20; ++step) {
        const std::uint64_t value = random() % 3 == 0 ? random() : random() % (4 * small_ring);
        switch (random() % 4) {
          case 0:
            words->rings[1].tail.store(value);
            break;
          case 1:
            words->rings[0].head.store(value);
            break;
          case 2:
            static_cast<std::uint64_t*>(at)[4096 / 8 + random() % (2 * small_ring / 8)] = value;
            break;
          default:
            break;
        }
        Writer out(ours.payload_room());
        const std::string text = pattern(1, random() % 3000);
        out.bytes(text.data(), text.size());
        ours.commit({}, out);
        ours.publish();
        if (auto record = ours.receive()) {
          CHECK(record->payload.size() <= (std::size_t{1} << 48));
          unsigned sum = 0;
          for (const std::byte byte : record->payload) sum += static_cast<unsigned>(byte);
          (void)sum;
          ours.release();
        }
      }
    } catch (const ipc::EncodingError&) {
    }
    ::munmap(at, 4096 + 2 * small_ring);
  }
}

TEST_CASE("channel: what is too large for the ring lies in bulk, which grows, and goes through the ring when that is full") {
  auto [ours, seed] = Channel::create(small_ring);
  Channel theirs(std::move(seed));
  constexpr std::size_t mib = std::size_t{1} << 20;
  // Nobody reads: each finds less room than the one before, or other memory, or none.
  const std::vector<std::size_t> sizes{200'000, 300'000, 10, 700'000, 3 * mib, 0, 4 * mib, 4 * mib, 4 * mib, 40'000, 20 * mib};
  for (std::uint32_t i = 0; i < sizes.size(); ++i) {
    const std::string text = pattern(i, sizes[i]);
    Writer out(ours.payload_room(), ours.bulk());
    for (std::size_t at = 0; at < text.size(); at += mib) out.bytes(text.data() + at, std::min(mib, text.size() - at));
    ours.commit({.sequence = i}, out);
    ours.publish();
  }
  CHECK_FALSE(ours.outbox_empty());
  WaitBudget budget;
  for (std::uint32_t i = 0; i < sizes.size(); ++i) {
    std::optional<Record> record;
    while (!(record = theirs.receive())) {
      ours.pump();
      ours.publish();
    }
    CHECK(text_of(*record) == pattern(i, sizes[i]));
    theirs.release();
  }
}

TEST_CASE("channel: an impossible reference to bulk is an error") {
  std::mt19937_64 random(5);
  for (int trial = 0; trial < 200; ++trial) {
    auto [ours, seed] = Channel::create(small_ring);
    Channel theirs(std::move(seed));
    WaitBudget budget;
    const auto send_reference = [&](const ipc::transport::BulkRef& ref) {
      Writer out(ours.payload_room());
      out.raw(ref);
      if (trial % 3 == 0) out.fd(ipc::Fd(::memfd_create("none", MFD_CLOEXEC)));
      ours.commit({.in_bulk = 1}, out);
      ours.publish();
    };
    if (trial % 2 == 0) {
      send(ours, budget, 0, pattern(0, 100'000));
      REQUIRE(theirs.receive());
      theirs.release();
    }
    const std::uint64_t capacity = trial % 3 == 0 ? std::uint64_t{1} << (random() % 30) : 0;
    send_reference({random() % (8 << 20), (std::uint64_t{2} << 20) + random(), capacity});
    CHECK_THROWS_AS(theirs.receive(), ipc::EncodingError);
  }
}
