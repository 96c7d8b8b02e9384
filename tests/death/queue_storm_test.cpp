// Four producers and four consumers, of which up to three are killed at random moments: each item arrives once, in its
// producer's order, but for those in the hands of the dead.
#include <ipc/queue.hpp>

#include <sys/mman.h>

#include <cstdlib>
#include <random>
#include <string>

#include "ipc/os/memfd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/watchdog.hpp"

using namespace ipc;

namespace {

constexpr int sides = 4;

/// IPC_QUEUE_TRIALS and IPC_QUEUE_ITEMS: 300 and 1000000 for the full count, from trial number IPC_QUEUE_FIRST on. Each trial has a
/// watchdog of its own.
int from_environment(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

/// What the processes write down, in memory that outlives them.
struct Ledger {
  struct alignas(128) Counter {
    std::atomic<std::int64_t> value;
  };
  std::array<Counter, sides> put_done;
  std::array<Counter, sides> got;
  std::atomic<int> out_of_order;
  std::atomic<int> wrong_contents;
  std::atomic<std::uint8_t> seen[1];  // NOLINT: as many as were asked for.

  static Ledger& make(std::int64_t items) {
    void* at = ::mmap(nullptr, size_for(items), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(at != MAP_FAILED);
    return *static_cast<Ledger*>(at);
  }
  void unmake(std::int64_t items) { ::munmap(this, size_for(items)); }
  static std::size_t size_for(std::int64_t items) { return sizeof(Ledger) + static_cast<std::size_t>(items) * sides; }
};

struct Trial {
  std::int64_t each;  ///< Items of one producer.
  std::ptrdiff_t maxsize;
  int kills;
  unsigned seed;
};

template <class Item, class Make, class Read>
void run_trial(const Trial& trial, Make make, Read read) {
  CAPTURE(trial.maxsize, trial.kills, trial.seed);
  test::arm_watchdog("trial " + std::to_string(trial.seed) + ", " + std::to_string(trial.kills) + " kills");
  std::mt19937 random(trial.seed);
  const Queue<Item> queue(trial.maxsize);
  Ledger& ledger = Ledger::make(trial.each);
  std::vector<test::ForkedChild> children;
  for (int p = 0; p < sides; ++p) {
    children.emplace_back([&, p] {
      for (std::int64_t i = 0; i < trial.each; ++i) {
        queue.put(make(p, i));
        ledger.put_done.at(static_cast<std::size_t>(p)).value.store(i + 1, std::memory_order_release);
      }
    });
  }
  for (int c = 0; c < sides; ++c) {
    children.emplace_back([&, c] {
      std::array<std::int64_t, sides> last{-1, -1, -1, -1};
      for (auto&& item : queue) {
        const auto [producer, number] = read(item);
        if (producer < 0) {
          ++ledger.wrong_contents;
          continue;
        }
        const auto p = static_cast<std::size_t>(producer);
        if (number <= last.at(p)) ++ledger.out_of_order;
        last.at(p) = number;
        ledger.seen[p * static_cast<std::size_t>(trial.each) + static_cast<std::size_t>(number)].fetch_add(1, std::memory_order_relaxed);
        auto& got = ledger.got.at(static_cast<std::size_t>(c)).value;
        got.store(got.load(std::memory_order_relaxed) + 1, std::memory_order_release);  // Nobody else's.
      }
    });
  }
  const auto progress = [&](std::size_t victim) {
    return victim < sides ? ledger.put_done.at(victim).value.load() : ledger.got.at(victim - sides).value.load();
  };
  const auto total = [&] {
    std::int64_t sum = 0;
    for (const auto& one : ledger.got) sum += one.value;
    return sum;
  };
  std::array<bool, 2 * sides> dead{};
  int dead_consumers = 0;
  for (int k = 0; k < trial.kills; ++k) {
    const std::size_t victim = random() % (2 * sides);
    if (dead.at(victim)) continue;
    // In the middle of its work, and not before all others are at it.
    const std::int64_t from = 1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(trial.each / 2));
    // Looked at so seldom that the processors are theirs.
    while (progress(victim) < from && total() < trial.each) std::this_thread::sleep_for(std::chrono::microseconds(200));
    for (auto spin = random() % 3000; spin > 0; --spin) asm volatile("");
    children[victim].kill();
    children[victim].wait();
    dead.at(victim) = true;
    if (victim >= sides) ++dead_consumers;
  }
  for (std::size_t p = 0; p < sides; ++p)
    if (!dead.at(p)) REQUIRE(children[p].wait() == 0);
  queue.shutdown();
  for (std::size_t c = sides; c < 2 * sides; ++c)
    if (!dead.at(c)) REQUIRE(children[c].wait() == 0);

  REQUIRE(ledger.out_of_order == 0);
  REQUIRE(ledger.wrong_contents == 0);
  std::int64_t lost = 0;
  std::int64_t twice = 0;
  std::int64_t unheard_of = 0;
  for (std::size_t p = 0; p < sides; ++p) {
    const std::int64_t done = ledger.put_done.at(p).value;
    for (std::int64_t i = 0; i < trial.each; ++i) {
      const int times = ledger.seen[p * static_cast<std::size_t>(trial.each) + static_cast<std::size_t>(i)];
      if (times > 1) ++twice;
      if (i < done && times == 0) ++lost;
      if (i > done && times != 0) ++unheard_of;
    }
  }
  REQUIRE(twice == 0);
  REQUIRE(unheard_of == 0);
  REQUIRE(lost <= dead_consumers);
  REQUIRE(queue.empty());
  ledger.unmake(trial.each);
}

}  // namespace

TEST_CASE("Queue: 4 producers, 4 consumers, up to 3 killed at random") {
  const int trials = from_environment("IPC_QUEUE_TRIALS", 12);
  const std::int64_t each = from_environment("IPC_QUEUE_ITEMS", 40'000) / sides;
  using Item = std::pair<int, std::int64_t>;
  const int first = from_environment("IPC_QUEUE_FIRST", 0);
  for (int trial = first; trial < first + trials; ++trial) {
    run_trial<Item>(
        {each, std::array<std::ptrdiff_t, 3>{0, 100, 2}.at(static_cast<std::size_t>(trial % 3)), trial % 4, static_cast<unsigned>(trial)},
        [](int p, std::int64_t i) { return Item(p, i); }, [](const Item& item) { return item; });
  }
}

TEST_CASE("Queue: 4 producers, 4 consumers, up to 3 killed at random while the ring grows and shrinks") {
  const int trials = from_environment("IPC_QUEUE_TRIALS", 12);
  const std::int64_t each = from_environment("IPC_QUEUE_ITEMS", 40'000) / sides / 10;
  const int first = from_environment("IPC_QUEUE_FIRST", 0);
  for (int trial = first; trial < first + trials; ++trial) {
    run_trial<std::string>(
        {each, trial % 2 == 0 ? 0 : 2000, trial % 4, static_cast<unsigned>(trial)},
        [](int p, std::int64_t i) {
          std::string text = std::to_string(p) + ":" + std::to_string(i) + ":";
          text.append(static_cast<std::size_t>(i * 37 % 9000), static_cast<char>('a' + i % 26));
          return text;
        },
        [](const std::string& text) -> std::pair<int, std::int64_t> {
          const auto colon = text.find(':', 2);
          const std::int64_t number = std::stoll(text.substr(2, colon - 2));
          const auto filler = static_cast<std::size_t>(number * 37 % 9000);
          if (text.size() != colon + 1 + filler || text.find_first_not_of(static_cast<char>('a' + number % 26), colon + 1) != text.npos)
            return {-1, 0};
          return {text[0] - '0', number};
        });
  }
}

TEST_CASE("Queue: 4 producers, 4 consumers, up to 3 killed at random, with a descriptor in each item") {
  const int trials = from_environment("IPC_QUEUE_TRIALS", 12);
  const std::int64_t each = from_environment("IPC_QUEUE_ITEMS", 40'000) / sides / 20;
  using Item = std::tuple<int, std::int64_t, Fd>;
  const int first = from_environment("IPC_QUEUE_FIRST", 0);
  for (int trial = first; trial < first + trials; ++trial) {
    run_trial<Item>(
        {each, trial % 2 == 0 ? 0 : 50, trial % 4, static_cast<unsigned>(trial)},
        [](int p, std::int64_t i) { return Item(p, i, os::make_memfd("x", static_cast<std::size_t>(p * 1'000'000 + i))); },
        [](const Item& item) -> std::pair<int, std::int64_t> {
          const auto& [p, i, fd] = item;
          if (os::file_facts(fd.get()).size != static_cast<std::size_t>(p * 1'000'000 + i)) return {-1, 0};
          return {p, i};
        });
  }
}
