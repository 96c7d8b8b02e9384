#include <optional>
#include <random>
#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

TEST_CASE("Heap: under random kills of processes that allocate and release, it stays whole and leaks nothing") {
  const std::size_t before = shm::Heap::instance().facts().used_blocks;
  {
    const auto marks = test::make_counters();
    using Blocks = std::vector<std::shared_ptr<std::byte>>;
    test::KillStorm storm(3, [&, seeded = std::optional<std::mt19937>(), blocks = Blocks(8)](int) mutable {
      if (!seeded) seeded.emplace(::getpid());
      auto& random = *seeded;
      const std::size_t size = 1 + random() % (random() % 10 == 0 ? 50'000 : 600);
      bool zeroed = true;
      blocks[random() % blocks.size()] = shm::Heap::instance().make({shm::Kind::data, size, 0}, [&](std::byte* at) {
        for (std::size_t i = 0; i < size; ++i) zeroed = zeroed && at[i] == std::byte{0};
        std::fill_n(at, size, std::byte{0xff});
      });
      if (!zeroed) ++(*marks)[0];
      std::this_thread::yield();  // The others' turn: the arena's mutex knows no fairness.
    });
    storm.run(test::KillStorm::kills(100), 4);
    REQUIRE((*marks)[0] == 0);
    shm::Heap::instance().check();
  }
  REQUIRE(shm::Heap::instance().facts().used_blocks == before);
  shm::Heap::instance().check();
}
