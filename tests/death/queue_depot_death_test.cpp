// Of queues with a name: the sockets in which descriptors travel are found whoever was killed on the way to them, or with them.
#include <ipc/queue.hpp>

#include <optional>
#include <random>
#include <utility>

#include "ipc/os/memfd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/die_at.hpp"
#include "tests/support/kill_storm.hpp"
#include "tests/support/shared.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;

TEST_CASE("Queue: whoever dies on its way to the descriptors of a named one, others find them, or begin anew") {
  const test::UniqueName name;
  const auto* point = GENERATE("queue.depot.before_share", "queue.depot.entered");
  CAPTURE(point);
  // Alone: what it made goes with it, and the stale name, too.
  test::die_at(point, [&] { static_cast<void>(Queue<Fd>::create(name)); });
  std::optional queue(Queue<Fd>::create(name));
  queue->put(os::make_memfd("x", 5));
  // Beside one that has them, which stay.
  test::die_at(point, [&] {
    queue.reset();  // So that the child comes as a stranger.
    static_cast<void>(Queue<Fd>::open(name));
  });
  REQUIRE(os::file_facts(Queue<Fd>::open(name).get().get()).size == 5);
}

TEST_CASE("Queue: opened by its name, used for descriptors and let go by 4 processes under random kills, none of them is ever wrong") {
  using Item = std::pair<std::size_t, Fd>;
  const bool kept = GENERATE(true, false);  // By somebody who lives, or by nobody at times: then descriptors may be lost.
  CAPTURE(kept);
  const test::UniqueName name;
  const auto shared = test::make_counters();
  auto& wrong = (*shared)[0];
  auto& refused = (*shared)[1];
  auto& lost = (*shared)[2];
  auto& got = (*shared)[3];
  std::optional<Queue<Item>> keeper;
  if (kept) keeper.emplace(Queue<Item>::create(name));
  test::KillStorm storm(4, [&, seeded = std::optional<std::mt19937>()](int) mutable {
    keeper.reset();  // So that it comes as a stranger.
    if (!seeded) seeded.emplace(::getpid());
    auto& random = *seeded;
    try {
      const auto queue = Queue<Item>::open_or_create(name);
      for (auto left = random() % 4; left > 0; --left) {
        const std::size_t number = 1 + random() % 100'000;
        if (queue.qsize() < 20) queue.put({number, os::make_memfd("x", number)});
      }
      for (auto left = random() % 5; left > 0; --left) {
        const auto item = queue.try_get();
        if (!item) break;
        ++got;
        if (os::file_facts(item->second.get()).size != item->first) ++wrong;
      }
    } catch (const UsageError&) {
      ++refused;
    } catch (const EncodingError&) {
      ++lost;
    }
  });
  const int kills = test::KillStorm::kills(15);
  storm.run(kills, 9, 20 * kills);
  REQUIRE(wrong == 0);
  REQUIRE(refused == 0);
  if (kept) REQUIRE(lost == 0);
  REQUIRE(got > 0);
}
