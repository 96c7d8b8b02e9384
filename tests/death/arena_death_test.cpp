#include <vector>

#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

TEST_CASE("Heap: under random kills of processes that allocate and release, it stays whole and leaks nothing") {
  const std::size_t before = shm::Heap::instance().facts().used_blocks;
  {
    const auto marks = test::make_counters();
    std::function<bool()> stopping;
    test::KillStorm storm(3, [&](int index, test::KillStorm::Account account) {
      std::mt19937 random(static_cast<unsigned>(index));
      std::vector<std::shared_ptr<std::byte>> blocks(8);
      while (!stopping()) {
        ++account.begun;
        const std::size_t size = 1 + random() % (random() % 10 == 0 ? 50'000 : 600);
        bool zeroed = true;
        blocks[random() % blocks.size()] = shm::Heap::instance().make({shm::Kind::data, size, 0}, [&](std::byte* at) {
          for (std::size_t i = 0; i < size; ++i) zeroed = zeroed && at[i] == std::byte{0};
          std::fill_n(at, size, std::byte{0xff});
        });
        if (!zeroed) ++(*marks)[0];
        ++account.done;
        std::this_thread::yield();  // The others' turn: the arena's mutex knows no fairness.
      }
    });
    stopping = [&] { return storm.stopping(); };
    storm.run(test::KillStorm::kills(100), 4);
    REQUIRE((*marks)[0] == 0);
    shm::Heap::instance().check();
  }
  REQUIRE(shm::Heap::instance().facts().used_blocks == before);
  shm::Heap::instance().check();
}
