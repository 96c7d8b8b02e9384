// What a task costs that does next to nothing, through a pool of two processes, beside CPython's.
#include <numeric>

#include <ipc/main.hpp>
#include <ipc/pool.hpp>

#include "bench/support/peer.hpp"
#include "bench/support/table.hpp"

namespace {

constexpr int round_trips = 2'000;
constexpr int tasks = 20'000;

int square(int x) { return x * x; }

/// Seconds for each of `tasks`.
double each_task(const std::function<void()>& all) { return ipc::bench::time_each(1, all) / tasks; }

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const auto peers = ipc::bench::cpython_peers("pool.py");
  ipc::bench::Table table("pool of 2");
  ipc::Pool pool(2);
  std::vector<int> numbers(tasks);
  std::iota(numbers.begin(), numbers.end(), 0);

  const auto row = [&](const char* what, const char* peer_function, int count, double wanted, std::function<double()> ours) {
    std::vector<ipc::bench::Contender> contenders{{"ipc", std::move(ours)}};
    for (const auto& peer : peers) {
      contenders.push_back({peer->name(), [&peer, peer_function, count] { return peer->seconds(peer_function, count); }, wanted});
    }
    table.row(what, std::move(contenders));
  };
  row("apply, round trip", "apply", round_trips, 30, [&] { return ipc::bench::time_each(round_trips, [&] { pool.apply(square, 7); }); });
  row("apply_async, then get all", "apply_async", tasks, 30, [&] {
    return each_task([&] {
      std::vector<ipc::AsyncResult<int>> results;
      results.reserve(tasks);
      for (const int x : numbers) results.push_back(pool.apply_async(square, x));
      for (const auto& result : results) result.get();
    });
  });
  row("map, chunksize 1", "map_one", tasks, 30, [&] { return each_task([&] { pool.map(square, numbers, {.chunksize = 1}); }); });
  row("map, automatic chunks", "map_default", tasks, 0, [&] { return each_task([&] { pool.map(square, numbers); }); });
  row("imap_unordered, automatic chunks", "imap_unordered", tasks, 0, [&] {
    return each_task([&] {
      for ([[maybe_unused]] const int y : pool.imap_unordered(square, numbers)) {
      }
    });
  });
}
