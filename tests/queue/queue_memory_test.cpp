#include <ipc/queue.hpp>

#include <sys/resource.h>

#include <cstdlib>
#include <numeric>
#include <string>

#include "ipc/os/file_space.hpp"
#include "ipc/queue/core.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using namespace ipc;

namespace {

/// A queue of bytes whose memory can be looked at.
struct Bare {
  std::shared_ptr<queues::Core> core = queues::Core::make({1, 0, queues::Flavour::queue}, UINT64_MAX, false);

  void put(std::span<const std::byte> bytes) const {
    const detail::OutgoingItem item{bytes, {}};
    core->put(std::span(&item, 1), detail::Deadline::never());
  }
  std::size_t get(std::vector<std::byte>& out) const {
    struct Sink final : detail::ItemSink {
      explicit Sink(std::vector<std::byte>& into) : bytes(&into) {}
      std::span<std::byte> room(std::size_t size) override {
        bytes->resize(size);
        return *bytes;
      }
      void take(std::vector<Fd>) override {}
      std::vector<std::byte>* bytes;
    } sink(out);
    return core->get(sink, 1, detail::Deadline::expired_already());
  }
  std::size_t space() const { return os::space_in_use(core->memory()); }
};

constexpr std::size_t mebibyte = std::size_t{1} << 20;

bool full_counts() { return std::getenv("IPC_FULL_COUNTS") != nullptr; }

}  // namespace

TEST_CASE("Queue: what many items took is given back when they have been taken") {
  const Bare queue;
  const int count = full_counts() ? 1'000'000 : 100'000;
  std::vector<std::byte> item(1024);
  for (int i = 0; i < count; ++i) {
    std::memcpy(item.data(), &i, sizeof i);
    queue.put(item);
  }
  REQUIRE(queue.space() > static_cast<std::size_t>(count) * 1024);
  std::vector<std::byte> out;
  for (int i = 0; i < count; ++i) {
    REQUIRE(queue.get(out) == 1);
    int number = 0;
    std::memcpy(&number, out.data(), sizeof number);
    if (number != i || out.size() != 1024) FAIL("item " << i << " is " << number);
  }
  REQUIRE(queue.space() <= 5 * mebibyte);
}

TEST_CASE("Queue: a ring grows and shrinks by every step with its contents at every place") {
  const Bare queue;
  std::vector<std::byte> out;
  std::uint32_t put = 0;
  std::uint32_t got = 0;
  const auto check = [&] {
    REQUIRE(queue.get(out) == 1);
    std::uint32_t number = 0;
    std::memcpy(&number, out.data(), sizeof number);
    const auto filler = std::byte(got % 251);
    if (number != got || std::any_of(out.begin() + 4, out.end(), [&](std::byte b) { return b != filler; })) FAIL("item " << got);
    ++got;
  };
  // More and more are left in the queue, then fewer and fewer, with a drift that puts head and tail everywhere.
  for (const std::uint32_t level : {10u, 300u, 20u, 3000u, 5u, 12000u, 2000u, 100u, 0u, 6000u, 0u}) {
    for (int round = 0; round < 3; ++round) {
      while (put - got < level + 7) {
        std::vector<std::byte> item(4 + put * 37 % 2000, std::byte(put % 251));
        std::memcpy(item.data(), &put, sizeof put);
        queue.put(item);
        ++put;
      }
      while (put - got > level) check();
    }
  }
  REQUIRE(queue.core->empty());
  REQUIRE(queue.space() <= 5 * mebibyte);
}

TEST_CASE("Queue: an item of a hundred mebibytes, or a gibibyte, passes") {
  const Bare queue;
  const std::size_t size = (full_counts() ? 1024 : 100) * mebibyte;
  {
    std::vector<std::byte> item(size);
    for (std::size_t at = 0; at < size; at += 4096) item[at] = std::byte(at / 4096 % 253);
    queue.put(item);
  }
  REQUIRE(queue.space() >= size);
  REQUIRE(queue.space() <= size + 8 * mebibyte);
  std::vector<std::byte> out;
  REQUIRE(queue.get(out) == 1);
  REQUIRE(out.size() == size);
  bool same = true;
  for (std::size_t at = 0; at < size; at += 4096) same = same && out[at] == std::byte(at / 4096 % 253);
  REQUIRE(same);
  REQUIRE(queue.space() <= 5 * mebibyte);
}

TEST_CASE("Queue: what does not fit into memory is an error for its put alone") {
  const Queue<std::string> queue;
  test::ForkedChild child([&] {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{8 * mebibyte, 8 * mebibyte};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    queue.put("before");
    bool thrown = false;
    try {
      queue.put(std::string(16 * mebibyte, 'x'));
    } catch (const std::system_error&) {
      thrown = true;
    }
    queue.put("after");
    return thrown ? 3 : 4;
  });
  REQUIRE(child.wait() == 3);
  REQUIRE(queue.qsize() == 2);
  REQUIRE(queue.get() == "before");
  queue.put(std::string(16 * mebibyte, 'y'));
  REQUIRE(queue.get() == "after");
  REQUIRE(queue.get().size() == 16 * mebibyte);
}
