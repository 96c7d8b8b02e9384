// What a task costs that does next to nothing, through a pool of two processes, beside CPython's two pools and, as the upper
// bound without processes, oneTBB's two threads.
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <numeric>
#include <string>
#include <thread>

#include <ipc/main.hpp>
#include <ipc/pool.hpp>

#include "bench/support/peer.hpp"
#include "bench/support/table.hpp"

#ifdef IPC_BENCH_TBB
#include <tbb/blocked_range.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>
#endif

namespace {

using ipc::bench::Contender;
using ipc::bench::time_each;

constexpr int round_trips = 2'000;
constexpr int tasks = 20'000;
constexpr int big_tasks = 64;
using Big = std::vector<std::uint64_t>;

int square(int x) { return x * x; }
std::size_t length(const Big& data) { return data.size(); }
const Big& echo(const Big& data) { return data; }

int spins_for_ten_microseconds = 0;
unsigned spin(unsigned x) {
  for (int i = 0; i < spins_for_ten_microseconds; ++i) {
    x = x * 1664525 + 1013904223;
    asm volatile("" : "+r"(x));
  }
  return x;
}
double spin_seconds(int count) {
  unsigned x = 1;
  return time_each(count, [&] { x = spin(x); });
}

/// Seconds for each of `count`.
double each_of(int count, const std::function<void()>& all) { return time_each(1, all) / count; }

/// Seconds until a pool of eight has them all; what its end takes does not count.
double start_eight(int count) {
  std::chrono::duration<double> taken{};
  for (int i = 0; i < count; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const ipc::Pool eight(8);
    taken += std::chrono::steady_clock::now() - start;
  }
  return taken.count() / count;
}
double fork_eight(int count) {
  return time_each(8 * count,
                   [] {
                     const pid_t pid = ::fork();
                     if (pid == 0) ::_exit(0);
                     ::waitpid(pid, nullptr, 0);
                   }) *
         8;
}

/// Of all workers and this process, in clock ticks.
long cpu_ticks(const ipc::Pool& pool) {
  auto pids = pool.worker_pids();
  pids.push_back(::getpid());
  long ticks = 0;
  for (const pid_t pid : pids) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string field;
    for (int i = 1; i < 14; ++i) stat >> field;
    long user = 0;
    long system = 0;
    stat >> user >> system;
    ticks += user + system;
  }
  return ticks;
}

#ifdef IPC_BENCH_TBB
/// The same calls by two threads of this process.
class Threads {
 public:
  void apply(int count) {
    run([&] {
      tbb::task_group group;
      for (int i = 0; i < count; ++i) group.run_and_wait([&, i] { results_[static_cast<std::size_t>(i)] = square(i); });
    });
  }
  void apply_async(int count) {
    run([&] {
      tbb::task_group group;
      for (int i = 0; i < count; ++i) group.run([&, i] { results_[static_cast<std::size_t>(i)] = square(i); });
      group.wait();
    });
  }
  void map(int count, std::size_t chunk) {
    run([&] {
      const tbb::blocked_range<int> all(0, count, chunk == 0 ? 1 : chunk);
      const auto body = [&](const tbb::blocked_range<int>& range) {
        for (int i = range.begin(); i != range.end(); ++i) results_[static_cast<std::size_t>(i)] = square(i);
      };
      if (chunk == 0)
        tbb::parallel_for(all, body);
      else
        tbb::parallel_for(all, body, tbb::simple_partitioner());
    });
  }

 private:
  void run(const std::function<void()>& f) { arena_.execute(f); }

  tbb::task_arena arena_{2};
  std::vector<int> results_ = std::vector<int>(tasks);
};
#endif

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const auto peers = ipc::bench::cpython_peers("pool.py");
  spins_for_ten_microseconds = 1000;
  spins_for_ten_microseconds = static_cast<int>(1000 * 10e-6 / std::min(spin_seconds(1000), spin_seconds(1000)));
  ipc::bench::Table table("pool of 2");
  // Before this process has memory worth mentioning: to copy its tables is what a fork costs.
  table.row("start 8 workers", {{"ipc", [] { return start_eight(5); }},
                                {"8 x fork, waitpid", [] { return fork_eight(5); }},
                                {peers.front()->name(), [&] { return peers.front()->seconds("start_eight", 2); }}});
  ipc::Pool pool(2);
  std::vector<int> numbers(tasks);
  std::iota(numbers.begin(), numbers.end(), 0);
  const std::vector<Big> big(big_tasks, Big((std::size_t{1} << 20) / sizeof(Big::value_type), 7));

  const auto row = [&](const char* what, const std::string& peer_function, int count, double wanted, std::function<double()> ours,
                       std::function<void()> threads = {}) {
    std::vector<Contender> contenders{{"ipc", std::move(ours)}};
    for (const auto& peer : peers) {
      contenders.push_back({peer->name(), [&peer, peer_function, count] { return peer->seconds(peer_function, count); }, wanted});
      contenders.push_back({"its executor", [&peer, peer_function, count] { return peer->seconds("executor_" + peer_function, count); }});
    }
    if (threads) contenders.push_back({"oneTBB, threads", [threads = std::move(threads), count] { return each_of(count, threads); }});
    table.row(what, std::move(contenders));
  };
  std::array<std::function<void()>, 4> threads;
#ifdef IPC_BENCH_TBB
  Threads tbb_threads;
  threads = {[&] { tbb_threads.apply(round_trips); }, [&] { tbb_threads.apply_async(tasks); }, [&] { tbb_threads.map(tasks, 1); },
             [&] { tbb_threads.map(tasks, 0); }};
#endif
  row(
      "apply, round trip", "apply", round_trips, 40, [&] { return time_each(round_trips, [&] { pool.apply(square, 7); }); }, threads[0]);
  row(
      "apply_async, then get all", "apply_async", tasks, 40,
      [&] {
        return each_of(tasks, [&] {
          std::vector<ipc::AsyncResult<int>> results;
          results.reserve(tasks);
          for (const int x : numbers) results.push_back(pool.apply_async(square, x));
          for (const auto& result : results) result.get();
        });
      },
      threads[1]);
  row(
      "map, chunksize 1", "map_one", tasks, 40, [&] { return each_of(tasks, [&] { pool.map(square, numbers, {.chunksize = 1}); }); },
      threads[2]);
  row(
      "map, automatic chunks", "map_default", tasks, 8, [&] { return each_of(tasks, [&] { pool.map(square, numbers); }); }, threads[3]);
  row("imap_unordered, automatic chunks", "imap_unordered", tasks, 40, [&] {
    return each_of(tasks, [&] {
      for ([[maybe_unused]] const int y : pool.imap_unordered(square, numbers)) {
      }
    });
  });
  row("map of 1 MiB vectors, their length", "map_there", big_tasks, 10, [&] { return each_of(big_tasks, [&] { pool.map(length, big); }); });
  row("map of 1 MiB vectors, and back", "map_and_back", big_tasks, 10, [&] { return each_of(big_tasks, [&] { pool.map(echo, big); }); });
  // The results' memory is new each time, which costs as much without any pool.
  table.row("the same, beside a plain copy of them",
            {{"ipc", [&] { return each_of(big_tasks, [&] { pool.map(echo, big); }); }},
             {"a plain copy", [&] { return each_of(big_tasks, [&] { [[maybe_unused]] const auto copy = big; }); }}});
  // Elements of ten microseconds: what a worker spends on one beyond them.
  const std::vector<unsigned> seeds(tasks / 10, 1);
  table.row("each element of 10 us costs beyond it", {{"ipc", [&] {
                                                         const double plain = spin_seconds(tasks / 10);
                                                         return 2 * each_of(tasks / 10, [&] { pool.map(spin, seeds); }) - plain;
                                                       }}});
  const long before = cpu_ticks(pool);
  std::this_thread::sleep_for(std::chrono::seconds(2));
  std::printf("idle for 2 s, the pool used %ld ms of CPU\n", (cpu_ticks(pool) - before) * 1000 / ::sysconf(_SC_CLK_TCK));
}
