// What a pool does when its processes are killed.

#include <ipc/event.hpp>
#include <ipc/pool.hpp>

#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ipc/base/scope_exit.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/transport/ring.hpp"
#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using ipc::detail::Deadline;
using ipc::test::square;

namespace {

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
/// Lets the worker that runs this die of another thread when `now` is set, whatever it is doing then.
pid_t die_later(Death how, const ipc::Event& now) {
  std::thread([how, now] {
    now.wait();
    die(how);
  }).detach();
  return ::getpid();
}

/// A result that says when its bytes have been encoded, which is into the memory in which they travel: then its worker is sending it.
std::atomic<bool> large_is_encoded{false};
bool large_gets_no_further = false;
struct Large {
  std::vector<char> bytes;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& bytes;
    large_is_encoded = true;
    large_is_encoded.notify_all();
    while (large_gets_no_further) ::pause();
  }
};
Large die_sending(Death how, bool half_way) {
  large_is_encoded = false;
  large_gets_no_further = half_way;
  std::thread([how] {
    large_is_encoded.wait(false);
    die(how);
  }).detach();
  return {std::vector<char>(16 << 20, 'y')};
}

/// Files in /dev/shm and the temporary folder that a process has open or maps.
std::set<std::string> named_files_of(pid_t pid) {
  std::set<std::string> found;
  const auto look = [&](const std::string& path) {
    const bool deleted = path.ends_with(" (deleted)");
    const std::string temporary = std::filesystem::temp_directory_path().string() + "/";
    if (!deleted && (path.starts_with("/dev/shm/") || path.starts_with(temporary))) found.insert(path);
  };
  const std::string folder = "/proc/" + std::to_string(pid);
  std::error_code gone;
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/fd", gone))
    look(std::filesystem::read_symlink(entry, gone).string());
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/map_files", gone))
    look(std::filesystem::read_symlink(entry, gone).string());
  return found;
}

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

/// Writes over the counts of the rings between this worker and its pool, as a wild pointer may, and gets no further.
int spoil_rings(int) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("ipc-channel") == std::string::npos || line.find(" 00000000 ") == std::string::npos) continue;
    std::memset(reinterpret_cast<void*>(std::stoull(line, nullptr, 16)), 0xee, 2 * sizeof(ipc::transport::RingWords));
    for (;;) ::pause();
  }
  return 0;
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
    if (how == Death::sigkill) CHECK_THAT(lost.what(), ipc::test::has_text("SIGKILL"));
  }
  for (int i = 0; i < 20; ++i) {
    CHECK(before[static_cast<std::size_t>(i)].get() == i * i);
    CHECK(after[static_cast<std::size_t>(i)].get() == i * i);
  }
  CHECK(pool.worker_pids().size() == 2);
}

TEST_CASE("pool death: a worker that dies while idle is replaced and costs nothing") {
  const Death how = GENERATE(Death::sigkill, Death::sigsegv, Death::abort, Death::exit_now, Death::exit);
  Pool pool(2);
  for (int round = 0; round < 5; ++round) {
    ipc::Event now;
    const pid_t victim = pool.apply(die_later, how, now);
    const ipc::Fd watched = ipc::os::open_pidfd(victim);
    now.set();
    CHECK(ipc::os::wait_readable(watched.get(), Deadline::never()));
    CHECK(pool.map(square, {1, 2, 3, 4}) == std::vector<int>{1, 4, 9, 16});
  }
  CHECK(pool.worker_pids().size() == 2);
}

TEST_CASE("pool death: a worker that dies while it sends a large result fails only that task") {
  const Death how = GENERATE(Death::sigkill, Death::sigsegv, Death::abort, Death::exit_now, Death::exit);
  Pool pool(2);
  for (int round = 0; round < 6; ++round) {
    const bool half_way = round < 3;
    auto others = pool.map_async(square, std::vector<int>(100, 3), {.chunksize = 1});
    auto doomed = pool.apply_async(die_sending, how, half_way);
    auto spared = pool.apply_async([] { return std::vector<char>(16 << 20, 'x'); });
    try {
      const Large value = doomed.get();
      CHECK(value.bytes == std::vector<char>(16 << 20, 'y'));
      CHECK_FALSE(half_way);
      continue;  // It got away with it, and its worker may have died in a later task.
    } catch (const ipc::WorkerLost& e) {
      CHECK(e.exitcode() == code_of(how));
    }
    CHECK(spared.get() == std::vector<char>(16 << 20, 'x'));
    CHECK(others.get() == std::vector<int>(100, 9));
    CHECK(pool.worker_pids().size() == 2);
  }
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
  // Nothing of ours has a name, so nothing can stay behind: they hold no file of these folders but what we gave them.
  for (const pid_t pid : pids) CHECK(named_files_of(pid) == named_files_of(::getpid()));
  parent.kill();
  for (const auto& fd : watched) {
    if (fd) CHECK(ipc::os::wait_readable(fd.get(), Deadline::never()));
  }
  ::close(pipe_ends[0]);
  ::close(pipe_ends[1]);
}

TEST_CASE("pool death: a first Ctrl-C does what the parent wants, a second one ends it and every worker") {
  int pipe_ends[2];
  REQUIRE(::pipe(pipe_ends) == 0);
  ipc::test::ForkedChild parent([&] {
    static volatile std::sig_atomic_t interrupted = 0;
    ::setpgid(0, 0);
    struct sigaction once {};
    once.sa_handler = [](int) { interrupted = 1; };
    once.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &once, nullptr);
    Pool pool(2);
    auto busy = pool.apply_async([] {
      for (;;) ::pause();
      return 0;
    });
    const auto workers = pool.worker_pids();
    const auto tell = [&](char what) { return ::write(pipe_ends[1], &what, 1) == 1; };
    tell('r');
    // ThreadSanitizer keeps a signal back until the next call that may sleep.
    while (interrupted == 0) ::poll(nullptr, 0, 1);
    tell(pool.apply(square, 3) == 9 && pool.worker_pids() == workers ? 'y' : 'n');
    for (;;) ::pause();
    return 0;
  });
  const auto told = [&] {
    char what = 0;
    return ::read(pipe_ends[0], &what, 1) == 1 ? what : '-';
  };
  REQUIRE(told() == 'r');
  std::vector<ipc::Fd> watched;
  for (const pid_t pid : pids_below(parent.pid())) watched.push_back(ipc::os::open_pidfd(pid));
  CHECK(watched.size() == 3);
  // As a terminal does: to everybody.
  ::kill(-parent.pid(), SIGINT);
  CHECK(told() == 'y');
  ::kill(-parent.pid(), SIGINT);
  CHECK(parent.wait() == -SIGINT);
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
    CHECK_THAT(error.what(), ipc::test::has_text("Nursery"));
  }
  CHECK_THROWS_AS(pool.apply(square, 2), ipc::Error);
}

TEST_CASE("pool death: when the kernel refuses the background thread its wait, the pool fails with that, and the program goes on") {
  // Low numbers stay free, for what else needs a descriptor: sanitizers.
  std::vector<ipc::Fd> low_numbers(20);
  for (auto& fd : low_numbers) fd = ipc::Fd::duplicate_of(STDERR_FILENO);
  Pool pool(8);
  low_numbers.clear();
  auto pending = pool.apply_async([] {
    for (;;) ::pause();
    return 0;
  });
  const ipc::Event go;
  const auto rouses = pool.apply_async([](const ipc::Event& e) { e.wait(); }, go);
  std::promise<std::string> told;
  pending.on_error([&told](const std::exception_ptr& error) {
    try {
      std::rethrow_exception(error);
    } catch (const ipc::PoolTerminated& terminated) {
      told.set_value(terminated.what());
    } catch (...) {
      told.set_value("something else");
    }
  });
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  {
    const ipc::base::ScopeExit restore([&] { ::setrlimit(RLIMIT_NOFILE, &before); });
    const rlimit few{16, before.rlim_max};  // Fewer than the pool looks at.
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
    go.set();  // Its result has the thread wait anew, for more descriptors than are allowed now.
    CHECK_THAT(told.get_future().get(), ipc::test::has_text("ppoll"));
  }
  CHECK_THROWS_AS(pending.get(), ipc::PoolTerminated);
  CHECK_THROWS_AS(pool.apply(square, 2), ipc::PoolTerminated);
  pool.join();
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

TEST_CASE("pool death: a task that spoils its worker's channel costs its worker, and nobody hangs") {
  Pool pool(2);
  for (int i = 0; i < 5; ++i) {
    const auto spoils = pool.apply_async(spoil_rings, 1);
    // Who waits for others looks at its channel as well.
    while (!spoils.ready()) CHECK(pool.apply(square, 3) == 9);
    CHECK_THROWS_AS(spoils.get(), ipc::WorkerLost);
  }
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
}
