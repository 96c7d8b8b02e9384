// The workers of a pool: how many, who they are, how they come and go, and what they did.

#include <ipc/pool.hpp>

#include <sys/mman.h>
#include <unistd.h>
#include <chrono>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <ipc/event.hpp>
#include <ipc/value.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using ipc::StartMethod;
using namespace ipc::test;

namespace {

int hang() {
  for (;;) ::pause();
}
int nap(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
  return ms;
}
std::string text_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}
std::size_t count(const std::string& text, const std::string& what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

struct TemporaryFile {
  std::filesystem::path path = std::filesystem::temp_directory_path() / ("ipc-trace-" + std::to_string(::getpid()) + ".json");
  ~TemporaryFile() { std::filesystem::remove(path); }
};

}  // namespace

TEST_CASE("pool workers: resize gives more of them, or fewer, while they work") {
  Pool pool({.processes = 2, .start_method = GENERATE(StartMethod::fork, StartMethod::spawn)});
  auto running = pool.map_async(square, numbers(2000), {.chunksize = 1});
  pool.resize(5);
  CHECK(pool.size() == 5);
  CHECK(pool.worker_pids().size() == 5);
  CHECK(running.get() == squares(2000));
  running = pool.map_async(square, numbers(2000), {.chunksize = 1});
  pool.resize(1);
  CHECK(running.get() == squares(2000));
  // Those that are too many leave by and by.
  while (pool.worker_pids().size() > 1) pool.map(square, numbers(10));
  std::set<int> pids;
  for (const int pid : pool.map(own_pid, numbers(50), {.chunksize = 1})) pids.insert(pid);
  CHECK(pids.size() == 1);
  pool.resize(3);
  CHECK(pool.worker_pids().size() == 3);
  CHECK_THROWS_AS(pool.resize(0), std::invalid_argument);
  pool.close();
  CHECK_THROWS_AS(pool.resize(2), ipc::UsageError);
  pool.join();
}

TEST_CASE("pool workers: resizing a pool that sleeps, at random, loses nothing") {
  Pool pool(1);
  for (int round = 0; round < 40; ++round) {
    auto before = pool.apply_async(square, round);
    pool.resize(1 + round * 7 % 4);
    CHECK(pool.apply(square, 3) == 9);
    CHECK(before.get() == round * round);
  }
}

TEST_CASE("pool workers: a task knows the number of its worker, and a replacement takes it over") {
  CHECK_FALSE(ipc::worker_id());
  Pool pool({.processes = 3, .max_tasks_per_child = 5, .start_method = GENERATE(StartMethod::fork, StartMethod::spawn)});
  const auto id = [](int) { return static_cast<int>(ipc::worker_id().value()); };
  for (const int n : pool.map(id, numbers(100), {.chunksize = 1})) {
    CHECK(n >= 0);
    CHECK(n < 3);
  }
  CHECK(pool.stats().size() > 3);
}

TEST_CASE("pool workers: stats tell what each of them did") {
  Pool pool(2);
  pool.map(nap, std::vector<int>(20, 2), {.chunksize = 1});
  ::kill(pool.worker_pids().front(), SIGKILL);
  pool.map(nap, std::vector<int>(20, 2), {.chunksize = 1});
  const auto stats = pool.stats();
  std::uint64_t tasks = 0;
  std::chrono::nanoseconds busy{};
  std::uint64_t restarts = 0;
  for (const auto& worker : stats) {
    tasks += worker.tasks;
    busy += worker.busy;
    restarts += worker.restarts;
    CHECK(worker.id < 2);
    if (worker.tasks != 0) CHECK(worker.startup > 0ns);
  }
  CHECK(tasks <= 40);
  CHECK(tasks >= 39);
  CHECK(busy >= 39 * 2ms);
  CHECK(stats.size() == 3);
  CHECK(restarts == 1);
  CHECK(stats.front().rss == 0);
  CHECK(stats.back().rss > 0);
  CHECK(stats.back().waiting >= 0ns);
}

TEST_CASE("pool workers: one that has grown too large is replaced after its task") {
  Pool pool({.processes = 1, .start_method = GENERATE(StartMethod::fork, StartMethod::spawn), .max_rss = std::size_t{1} << 20});
  std::set<int> pids;
  for (int i = 0; i < 5; ++i) {
    const int pid = pool.apply(own_pid, i);
    pids.insert(pid);
    // It is told to leave when the pool takes notice.
    while (pool.worker_pids() == std::vector<pid_t>{pid}) std::this_thread::yield();
  }
  CHECK(pids.size() == 5);
  Pool roomy({.processes = 1, .max_rss = std::size_t{1} << 40});
  const int pid = roomy.apply(own_pid, 0);
  for (int i = 0; i < 20; ++i) CHECK(roomy.apply(own_pid, i) == pid);
}

TEST_CASE("pool workers: worker_exit runs in each that leaves in good order") {
  ipc::Value<int> exits(0);
  {
    Pool pool({.processes = 3, .worker_exit = [exits] { exits.fetch_add(1); }});
    CHECK(pool.map(square, numbers(10)) == squares(10));
    pool.close();
    pool.join();
  }
  CHECK(exits.get() == 3);
  {
    Pool pool({.processes = 1, .max_tasks_per_child = 1, .worker_exit = [exits] { exits.fetch_add(1); }});
    CHECK(pool.map(square, numbers(10), {.chunksize = 1}) == squares(10));
    pool.close();
    pool.join();
  }
  CHECK(exits.get() >= 13);
  {
    Pool pool({.processes = 1, .worker_exit = [] { throw std::runtime_error("a test's"); }});
    CHECK(pool.apply(square, 2) == 4);
    pool.close();
    pool.join();
  }
  CHECK_THROWS_AS(Pool({.processes = 1, .start_method = StartMethod::spawn, .worker_exit = [] {}}), ipc::NotShippable);
}

TEST_CASE("pool workers: a worker_exit that hangs is given so much time") {
  {
    Pool pool({.processes = 2, .max_tasks_per_child = 1, .worker_exit = [] { hang(); }, .worker_exit_timeout = 20ms});
    CHECK(pool.map(square, numbers(4), {.chunksize = 1}) == squares(4));
    pool.close();
    pool.join();
  }
  // Time enough is no hindrance.
  Pool pool({.processes = 1, .worker_exit = [] {}, .worker_exit_timeout = 1h});
  CHECK(pool.apply(square, 3) == 9);
  pool.close();
  pool.join();
  CHECK(pool.stats().back().tasks == 1);
}

TEST_CASE("pool workers: what is remembered of former workers is bounded, but for the sums") {
  Pool pool({.processes = 2, .max_tasks_per_child = 1});
  CHECK(pool.map(square, numbers(1100), {.chunksize = 1}) == squares(1100));
  pool.close();
  pool.join();
  const auto stats = pool.stats();
  CHECK(stats.size() <= 1001);
  CHECK(stats.front().name == "earlier workers");
  CHECK(stats.front().restarts >= 99);
  std::uint64_t tasks = 0;
  for (const auto& worker : stats) tasks += worker.tasks;
  CHECK(tasks == 1100);
}

TEST_CASE("pool workers: an initialiser that hangs fails the pool when its time is over") {
  Pool pool({.processes = 2, .start_method = GENERATE(StartMethod::fork, StartMethod::spawn), .initializer_timeout = 300ms}, hang);
  auto pending = pool.apply_async(square, 2);
  CHECK_THROWS_AS(pending.get(), ipc::TimeoutError);
  CHECK_THROWS_WITH(pool.apply(square, 2), ipc::test::has_text("initializer"));
  // One that is quick enough is no problem.
  Pool quick({.processes = 1, .initializer_timeout = 100s}, [] {});
  CHECK(quick.apply(square, 2) == 4);
}

TEST_CASE("pool workers: an initialiser that dies in one worker of many, once, costs nothing") {
  ipc::Value<int> calls(0);
  Pool pool({.processes = 3}, [calls] {
    if (calls.fetch_add(1) == 1) ::_exit(3);
  });
  CHECK(pool.map(square, numbers(100)) == squares(100));
  while (calls.get() < 4) std::this_thread::yield();
  CHECK(pool.map(square, numbers(100)) == squares(100));
}

TEST_CASE("pool workers: killed while idle, over and over, they come back, more slowly in the end") {
  Pool pool(2);
  std::set<pid_t> killed;
  while (killed.size() < 45) {
    for (const pid_t pid : pool.worker_pids()) {
      if (killed.insert(pid).second) ::kill(pid, SIGKILL);
    }
    std::this_thread::yield();
  }
  CHECK(pool.map(square, numbers(10)) == squares(10));
}

TEST_CASE("pool workers: a trace has a lane for each worker, a slice for each task, and tells of kills and retries") {
  const TemporaryFile file;
  ipc::PoolStats stats;
  {
    Pool pool(2);
    pool.trace(file.path);
    CHECK(pool.map(square, numbers(50), {.chunksize = 1}) == squares(50));
    CHECK_THROWS_AS(pool.apply({.timeout = 10ms}, hang), ipc::TaskTimeout);
    ipc::Value<int> calls(0);
    pool.apply(
        {.retries = 1},
        [](const ipc::Value<int>& c) {
          if (c.fetch_add(1) == 0) ::kill(::getpid(), SIGKILL);
        },
        calls);
    CHECK_THROWS(pool.apply([] { throw std::runtime_error("no"); }));
    stats = pool.stats();
    pool.close();
    pool.join();
  }
  const std::string text = text_of(file.path);
  CHECK(text.front() == '[');
  CHECK(text.substr(text.size() - 2) == "]\n");
  CHECK(count(text, R"("outcome":"result")") == 51);
  CHECK(count(text, R"("outcome":"exception")") == 1);
  CHECK(count(text, R"("outcome":"killed for its time limit")") == 1);
  CHECK(count(text, R"("outcome":"lost, to be retried")") == 1);
  CHECK(count(text, "starts") >= 4);
  CHECK(count(text, "was killed by SIGKILL") == 1);
  std::uint64_t tasks = 0;
  for (const auto& worker : stats) tasks += worker.tasks;
  CHECK(tasks == 52);
  CHECK_THROWS_AS(Pool(1).trace("/no such folder/trace.json"), std::system_error);
}

TEST_CASE("pool workers: a trace agrees with the stats, slice by slice") {
  const TemporaryFile file;
  ipc::PoolStats stats;
  {
    Pool pool(3);
    pool.trace(file.path);
    pool.map(nap, std::vector<int>(60, 1), {.chunksize = 2});
    pool.close();
    pool.join();
    stats = pool.stats();
  }
  std::map<std::size_t, std::pair<std::uint64_t, double>> lanes;
  std::map<std::size_t, double> ends;
  std::ifstream lines(file.path);
  const auto number = [](const std::string& line, const std::string& key) {
    const auto at = line.find("\"" + key + "\":");
    REQUIRE(at != std::string::npos);
    return std::stod(line.substr(at + key.size() + 3));
  };
  for (std::string line; std::getline(lines, line);) {
    if (line.find(R"("ph":"X")") == std::string::npos) continue;
    const auto lane = static_cast<std::size_t>(number(line, "tid"));
    // One after the other.
    CHECK(number(line, "ts") >= ends[lane]);
    ends[lane] = number(line, "ts") + number(line, "dur") - 0.002;
    ++lanes[lane].first;
    lanes[lane].second += number(line, "dur");
  }
  std::uint64_t slices = 0;
  for (const auto& worker : stats) {
    CHECK(lanes[worker.id].first == worker.tasks);
    const auto busy = static_cast<double>(worker.busy.count());
    CHECK(std::abs(lanes[worker.id].second * 1000 - busy) <= busy / 1000);
    slices += worker.tasks;
  }
  CHECK(slices == 30);
}
