#include "ipc/shm/arena.hpp"

#include <cstring>
#include <random>
#include <stdexcept>
#include <vector>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/held_byte.hpp"
#include "ipc/os/memfd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

namespace {

using namespace ipc;
using shm::Arena;
using shm::Kind;

struct OneArena {
  explicit OneArena(std::size_t size = shm::arena_size)
      : file(os::make_memfd("test", size)), mapping(file.get(), size), arena(mapping, file.get()) {
    arena.format();
    std::tie(holder, life) = arena.new_holder();
  }
  std::uint64_t allocate(std::size_t size, unsigned char fill = 0xff) {
    bool zeroed = true;
    const auto offset = arena.allocate({Kind::data, size, 0}, holder, [&](std::byte* at) {
      for (std::size_t i = 0; i < size; ++i) zeroed = zeroed && at[i] == std::byte{0};
      std::memset(at, fill, size);
    });
    if (!zeroed) throw std::logic_error("the block was not zeroed");
    return offset.value_or(0);
  }
  Fd file;
  os::Mapping mapping;
  Arena arena;
  std::uint32_t holder = 0;
  Fd life;
};

}  // namespace

TEST_CASE("every block size is served by a class that holds it and wastes at most a quarter") {
  for (std::size_t bytes = shm::block_header_size + 1; bytes < shm::largest_block; bytes += bytes / 7 + 1) {
    const std::uint32_t size_class = shm::class_of(bytes);
    REQUIRE(size_class < shm::class_count);
    REQUIRE(shm::size_of_class(size_class) >= bytes);
    REQUIRE(shm::size_of_class(size_class) <= std::max(bytes + bytes / 4 + shm::cache_line, std::size_t{64}));
    REQUIRE(shm::class_of(shm::size_of_class(size_class)) == size_class);
  }
}

TEST_CASE("blocks are zeroed, also when their memory is used again") {
  OneArena one;
  for (const std::size_t size : {std::size_t{1}, std::size_t{64}, std::size_t{1000}, std::size_t{70'000}, std::size_t{3} << 20}) {
    const std::uint64_t first = one.allocate(size);
    one.arena.release(first, one.holder);
    REQUIRE(one.allocate(size) == first);
    one.arena.check();
  }
}

TEST_CASE("a full arena says so, and serves again after a release") {
  OneArena one(std::size_t{1} << 20);
  std::vector<std::uint64_t> blocks;
  while (const std::uint64_t offset = one.allocate(5000)) blocks.push_back(offset);
  REQUIRE(blocks.size() > 150);
  one.arena.release(blocks[7], one.holder);
  REQUIRE(one.allocate(5000) == blocks[7]);
  one.arena.check();
}

TEST_CASE("random allocations and releases keep every invariant, and contents apart") {
  OneArena one;
  std::mt19937 random(1);
  std::vector<std::pair<std::uint64_t, std::pair<std::size_t, unsigned char>>> live;
  for (int i = 0; i < 5000; ++i) {
    if (live.size() < 100 || random() % 2 == 0) {
      const std::size_t size = 1 + random() % (random() % 20 == 0 ? 100'000 : 500);
      const auto fill = static_cast<unsigned char>(1 + random() % 255);
      live.push_back({one.allocate(size, fill), {size, fill}});
    } else {
      const std::size_t index = random() % live.size();
      const auto& [offset, content] = live[index];
      for (std::size_t k = 0; k < content.first; ++k) {
        if (one.arena.payload(offset)[k] != std::byte{content.second}) FAIL("a block was overwritten");
      }
      one.arena.release(offset, one.holder);
      live.erase(live.begin() + static_cast<std::ptrdiff_t>(index));
    }
  }
  REQUIRE(one.arena.used_blocks() == live.size());
  one.arena.check();
}

TEST_CASE("a block whose construction throws was never there") {
  OneArena one;
  const auto fails = [](std::byte*) { throw std::runtime_error("no"); };
  REQUIRE_THROWS_AS(one.arena.allocate({Kind::data, 100, 0}, one.holder, fails), std::runtime_error);
  REQUIRE(one.arena.used_blocks() == 0);
  one.arena.check();
}

TEST_CASE("a reference that is stale, of another kind or size, or nonsense is refused") {
  OneArena one;
  const std::uint64_t offset = one.allocate(100);
  const Arena::Reference good = one.arena.reference_to(offset);
  REQUIRE(one.arena.adopt(good, 100, one.holder));
  REQUIRE_FALSE(one.arena.adopt(good, 1000, one.holder));
  REQUIRE_FALSE(one.arena.adopt({offset, good.generation, Kind::lock}, 100, one.holder));
  REQUIRE_FALSE(one.arena.adopt({offset + 1, good.generation, Kind::data}, 100, one.holder));
  REQUIRE_FALSE(one.arena.adopt({0, good.generation, Kind::data}, 100, one.holder));
  REQUIRE_FALSE(one.arena.adopt({~std::uint64_t{63}, good.generation, Kind::data}, 100, one.holder));
  one.arena.release(offset, one.holder);
  REQUIRE_FALSE(one.arena.adopt(good, 100, one.holder));
  REQUIRE(one.allocate(100) == offset);
  REQUIRE_FALSE(one.arena.adopt(good, 100, one.holder));
}

TEST_CASE("what a killed process held is swept, what a living one holds is not") {
  OneArena one;
  const std::uint64_t shared = one.allocate(100);
  auto [number, life] = one.arena.new_holder();
  one.arena.share(shared, number);
  test::ForkedChild child([&] { ::pause(); });  // Has a copy of `life`.
  life.reset();
  one.arena.release(shared, one.holder);
  REQUIRE(one.arena.sweep() == 0);
  child.kill();
  child.wait();
  REQUIRE(one.arena.sweep() == 1);
  REQUIRE(one.arena.used_blocks() == 0);
  one.arena.check();
}

TEST_CASE("numbers of dead holders are given again, and when all are taken the crowd's serves") {
  OneArena one;
  std::vector<Fd> lives;
  for (std::uint32_t i = 1; i < shm::crowd; ++i) {
    auto [number, life] = one.arena.new_holder();
    REQUIRE(number == i);
    lives.push_back(std::move(life));
  }
  REQUIRE(one.arena.new_holder().first == shm::crowd);
  lives[4].reset();
  REQUIRE(one.arena.new_holder().first == 5);
}

TEST_CASE("a block whose lock a living thread holds is not freed under it") {
  OneArena one;
  os::RobustMutex* mutex = nullptr;
  const auto offset = one.arena.allocate({Kind::lock, 64, 1}, one.holder, [&](std::byte* at) { mutex = new (at) os::RobustMutex(); });
  std::atomic<int> step{0};
  std::thread holder([&] {
    mutex->lock();
    step = 1;
    test::wait_until([&] { return step == 2; });
    mutex->unlock();
  });
  test::wait_until([&] { return step == 1; });
  one.arena.release(*offset, one.holder);
  REQUIRE(one.arena.used_blocks() == 1);
  step = 2;
  holder.join();
  REQUIRE(one.arena.sweep() == 1);
}

TEST_CASE("a process killed at any point of the arena's changes leaves it whole and unlocked") {
  const auto* point = GENERATE("arena.header_written", "arena.extended", "arena.prepared", "arena.committed", "arena.released",
                               "arena.freed", "arena.byte_held", "arena.swept");
  OneArena one;
  const std::uint64_t kept = one.allocate(100);
  test::ForkedChild child([&] {
    const auto mine = one.arena.new_holder();
    base::arm_kill_point(point);
    for (std::size_t size : {100U, 100U, 3000U, 90'000U}) {
      const auto offset = one.arena.allocate({Kind::data, size, 0}, mine.first, [](std::byte* at) { *at = std::byte{1}; });
      one.arena.release(*offset, mine.first);
    }
    const auto other = one.arena.new_holder();
    one.arena.sweep();
  });
  REQUIRE(child.wait() == -SIGKILL);
  one.arena.sweep();
  one.arena.check();
  REQUIRE(one.arena.used_blocks() == 1);
  for (const std::size_t size : {100U, 100U, 3000U, 90'000U}) one.allocate(size);  // Throws unless zeroed.
  one.arena.check();
  one.arena.release(kept, one.holder);
}
