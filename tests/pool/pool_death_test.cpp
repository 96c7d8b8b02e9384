// What a pool does when its processes are killed.

#include <ipc/pool.hpp>

#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <thread>

#include "ipc/os/pidfd.hpp"
#include "ipc/os/poll.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using ipc::detail::Deadline;

namespace {

int square(int x) { return x * x; }
int own_pid() { return ::getpid(); }

enum class Death { sigkill, sigsegv, abort, exit_now, exit };
int die(Death how) {
  switch (how) {
    case Death::sigkill:
      ::kill(::getpid(), SIGKILL);
      break;
    case Death::sigsegv:
      ::signal(SIGSEGV, SIG_DFL);
      ::raise(SIGSEGV);
      break;
    case Death::abort:
      ::signal(SIGABRT, SIG_DFL);
      std::abort();
    case Death::exit_now:
      ::_exit(17);
    case Death::exit:
      std::exit(18);
  }
  return 0;
}
int code_of(Death how) {
  switch (how) {
    case Death::sigkill:
      return -SIGKILL;
    case Death::sigsegv:
      return -SIGSEGV;
    case Death::abort:
      return -SIGABRT;
    case Death::exit_now:
      return 17;
    case Death::exit:
      return 18;
  }
  return 0;
}

/// The pid written to a file when it is complete.
std::vector<pid_t> pids_below(pid_t root) {
  std::vector<pid_t> all;
  std::vector<pid_t> open{root};
  while (!open.empty()) {
    const pid_t parent = open.back();
    open.pop_back();
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + std::to_string(parent) + "/task")) {
      std::ifstream children(task.path() / "children");
      for (pid_t pid = 0; children >> pid;) {
        all.push_back(pid);
        open.push_back(pid);
      }
    }
  }
  return all;
}

}  // namespace

TEST_CASE("pool death: a task that ends its worker fails alone, with how it ended") {
  const Death how = GENERATE(Death::sigkill, Death::sigsegv, Death::abort, Death::exit_now, Death::exit);
  Pool pool(2);
  std::vector<ipc::AsyncResult<int>> before;
  std::vector<ipc::AsyncResult<int>> after;
  for (int i = 0; i < 20; ++i) before.push_back(pool.apply_async(square, i));
  auto dead = pool.apply_async(die, how);
  for (int i = 0; i < 20; ++i) after.push_back(pool.apply_async(square, i));
  try {
    dead.get();
    FAIL("a dead worker gave a result");
  } catch (const ipc::WorkerLost& lost) {
    CHECK(lost.exitcode() == code_of(how));
    CHECK(lost.pid() > 0);
    if (how == Death::sigkill) CHECK_THAT(lost.what(), Catch::Matchers::Contains("SIGKILL"));
  }
  for (int i = 0; i < 20; ++i) {
    CHECK(before[static_cast<std::size_t>(i)].get() == i * i);
    CHECK(after[static_cast<std::size_t>(i)].get() == i * i);
  }
  CHECK(pool.worker_pids().size() == 2);
}

TEST_CASE("pool death: a worker that is killed while idle is replaced and costs nothing") {
  Pool pool(2);
  for (int round = 0; round < 20; ++round) {
    const pid_t victim = pool.worker_pids().front();
    ::kill(victim, SIGKILL);
    CHECK(pool.map(square, {1, 2, 3, 4}) == std::vector<int>{1, 4, 9, 16});
  }
  const auto pids = pool.worker_pids();
  CHECK(pids.size() == 2);
}

TEST_CASE("pool death: a worker that is killed while it sends a large result fails only that task") {
  Pool pool(2);
  for (int round = 0; round < 10; ++round) {
    const pid_t pid = pool.apply(own_pid);
    auto others = pool.map_async(square, std::vector<int>(100, 3));
    // Nobody waits yet and the rings are far smaller than 16 MiB, so every worker that has such a task gets stuck sending.
    std::vector<ipc::AsyncResult<std::vector<char>>> large;
    for (int i = 0; i < 2; ++i) large.push_back(pool.apply_async([] { return std::vector<char>(16 << 20, 'x'); }));
    std::this_thread::yield();
    ::kill(pid, SIGKILL);
    int whole = 0;
    int lost = 0;
    for (const auto& result : large) {
      try {
        whole += result.get() == std::vector<char>(16 << 20, 'x');
      } catch (const ipc::WorkerLost& e) {
        CHECK(e.exitcode() == -SIGKILL);
        ++lost;
      }
    }
    CHECK(whole + lost == 2);
    CHECK(lost <= 1);
    try {
      const auto values = others.get();
      CHECK(values == std::vector<int>(100, 9));
    } catch (const ipc::WorkerLost&) {
    }
  }
}

// 200 random kills during a map_async of 20,000 tasks, each a job of its own so that every single outcome is seen.
TEST_CASE("pool death: under random kills every result is right or WorkerLost, none is missing") {
  Pool pool(3);
  std::vector<int> inputs(20000);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int>(i);
  const auto work = [](int x) {
    volatile int sum = 0;
    for (int i = 0; i < 20000; ++i) sum = sum + i % 3;
    return x * 2;
  };
  std::atomic<int> kills{0};
  std::atomic<bool> done{false};
  std::jthread killer([&] {
    std::mt19937 random(17);
    while (!done && kills < 200) {
      const auto pids = pool.worker_pids();
      if (pids.empty()) continue;
      if (::kill(pids[random() % pids.size()], SIGKILL) == 0) ++kills;
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
    }
  });
  std::size_t right = 0;
  std::size_t lost = 0;
  std::set<std::size_t> seen;
  auto results = pool.imap_unordered(work, inputs);
  for (;;) {
    try {
      const auto value = results.next();
      if (!value) break;
      REQUIRE(*value == 2 * static_cast<int>(results.index()));
      ++right;
    } catch (const ipc::WorkerLost&) {
      ++lost;
    }
    REQUIRE(seen.insert(results.index()).second);
  }
  done = true;
  killer.join();
  CHECK(right + lost == inputs.size());
  CHECK(lost <= static_cast<std::size_t>(kills.load()));
  CHECK(kills > 20);
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
}

TEST_CASE("pool death: map_async under random kills ends, with the list or with WorkerLost") {
  Pool pool(2);
  std::atomic<bool> done{false};
  std::jthread killer([&] {
    std::mt19937 random(4);
    for (int kills = 0; kills < 50 && !done; ++kills) {
      const auto pids = pool.worker_pids();
      if (!pids.empty()) ::kill(pids[random() % pids.size()], SIGKILL);
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 2000));
    }
  });
  for (int round = 0; round < 5; ++round) {
    auto list = pool.map_async(square, std::vector<int>(20000, 5), {.chunksize = 10});
    try {
      const auto values = list.get();
      CHECK(values == std::vector<int>(20000, 25));
    } catch (const ipc::WorkerLost&) {
    }
  }
  done = true;
}

TEST_CASE("pool death: a task that closes every descriptor costs itself only") {
  Pool pool(2);
  auto cut_off = pool.apply_async([] {
    for (int fd = 3; fd < 256; ++fd) ::close(fd);
    for (;;) ::pause();
    return 0;
  });
  CHECK_THROWS_AS(cut_off.get(), ipc::WorkerLost);
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("pool death: SIGKILL of the parent leaves no process behind") {
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  ipc::test::ForkedChild parent([&] {
    Pool pool(3);
    // Idle, busy and spinning ones.
    auto busy = pool.apply_async([] {
      for (;;) continue;
      return 0;
    });
    while (pids_below(::getpid()).size() < 4) std::this_thread::yield();
    const char ready = 'r';
    if (::write(pipe_ends[1], &ready, 1) != 1) return 1;
    for (;;) ::pause();
    return 0;
  });
  char ready = 0;
  REQUIRE(::read(pipe_ends[0], &ready, 1) == 1);
  const auto pids = pids_below(parent.pid());
  CHECK(pids.size() == 4);  // The nursery and three workers.
  std::vector<ipc::Fd> watched;
  for (const pid_t pid : pids) watched.push_back(ipc::os::open_pidfd(pid));
  parent.kill();
  for (const auto& fd : watched) {
    if (fd) CHECK(ipc::os::wait_readable(fd.get(), Deadline::never()));
  }
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_CASE("pool death: SIGKILL of the nursery fails the pool with a clear error") {
  Pool pool(2);
  CHECK(pool.apply(square, 2) == 4);
  auto pending = pool.apply_async([] {
    for (;;) ::pause();
    return 0;
  });
  const pid_t worker = pool.worker_pids().front();
  std::ifstream status("/proc/" + std::to_string(worker) + "/status");
  pid_t nursery = 0;
  for (std::string word; status >> word;) {
    if (word == "PPid:") status >> nursery;
  }
  REQUIRE(nursery > 1);
  REQUIRE(nursery != ::getpid());
  ::kill(nursery, SIGKILL);
  try {
    pending.get();
    FAIL("a result without a worker");
  } catch (const ipc::Error& error) {
    CHECK_THAT(error.what(), Catch::Matchers::Contains("Nursery"));
  }
  CHECK_THROWS_AS(pool.apply(square, 2), ipc::Error);
}

TEST_CASE("pool death: workers that die before they are ready fail the pool instead of being replaced for ever") {
  Pool pool({.processes = 2}, [] { ::_exit(9); });
  try {
    pool.apply(square, 1);
    FAIL("a result without a worker");
  } catch (const ipc::WorkerLost& lost) {
    CHECK(lost.exitcode() == 9);
  }
}
