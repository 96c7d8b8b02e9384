// CPython's test_deadlock and test_shutdown: whatever goes wrong, wherever, no call waits for ever, and the pool goes on.

#include <ipc/pool.hpp>

#include <unistd.h>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ipc/as_completed.hpp>
#include <ipc/event.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using namespace ipc::test;
using ipc::AsyncResult;
using ipc::Pool;
using ipc::StartMethod;

namespace {

enum class Place { nowhere, saving, loading };
enum class Deed { error, odd_error, exit, exit_now, crash };

const pid_t main_process = ::getpid();

void commit(Deed deed) {
  switch (deed) {
    case Deed::error:
      throw std::runtime_error("boom");
    case Deed::odd_error:
      throw 42;
    case Deed::exit:
      std::exit(3);
    case Deed::exit_now:
      ::_exit(4);
    case Deed::crash:
      ::kill(::getpid(), SIGKILL);
  }
}

/// Goes off when it is encoded or decoded; in the process where it was armed only when that is meant.
struct Bomb {
  Place place = Place::nowhere;
  Deed deed = Deed::error;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    if (Archive::is_saving::value && place == Place::saving) commit(deed);
    archive& place& deed;
    if (Archive::is_loading::value && place == Place::loading) commit(deed);
  }
};

int take(const Bomb&, int x) { return x; }
Bomb make(Place place, Deed deed) { return {place, deed}; }
Bomb make_for(int deed) { return {Place::saving, static_cast<Deed>(deed)}; }
int function(Deed deed) {
  commit(deed);
  return 0;
}

bool deadly(Deed deed) { return deed != Deed::error && deed != Deed::odd_error; }
Deed any_deed() { return GENERATE(Deed::error, Deed::odd_error, Deed::exit, Deed::exit_now, Deed::crash); }

/// The call fails as such a deed should make it, and everything else goes on.
template <class Call>
void check(Pool& pool, Deed deed, Call call) {
  auto before = pool.apply_async(square, 7);
  if (deadly(deed))
    CHECK_THROWS_AS(call(), ipc::WorkerLost);
  else
    CHECK_THROWS_AS(call(), ipc::RemoteError);
  CHECK(before.get() == 49);
  CHECK(pool.map(square, {1, 2, 3}) == std::vector<int>{1, 4, 9});
}

/// Uses a pool whenever it is encoded or decoded.
struct Busybody {
  static inline Pool* pool = nullptr;
  static inline std::mutex* mutex = nullptr;
  int value = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& value;
    if (::getpid() != main_process) return;
    if (pool != nullptr && pool->apply(square, 3) != 9) std::abort();
    if (mutex != nullptr) const std::lock_guard lock(*mutex);
  }
};
Busybody twice(const Busybody& b) { return {2 * b.value}; }

struct Counted {
  std::shared_ptr<int> alive = std::make_shared<int>(0);
  template <class Archive>
  void serialize(Archive&, unsigned) {}
};

}  // namespace

TEST_CASE("pool deadlock: a task that cannot be encoded fails") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  CHECK_THROWS_WITH(pool.apply(take, Bomb{Place::saving, Deed::error}, 1), "boom");
  CHECK_THROWS(pool.apply(take, Bomb{Place::saving, Deed::odd_error}, 1));
  const std::vector<std::pair<Bomb, int>> some{{{}, 1}, {{Place::saving, Deed::error}, 2}, {{}, 3}};
  CHECK_THROWS_WITH(pool.starmap(take, some, {.chunksize = 1}), "boom");
  CHECK_THROWS_WITH(pool.starmap_async(take, some).get(), "boom");
  CHECK(pool.apply(square, 2) == 4);
}

TEST_CASE("pool deadlock: whatever happens when a worker decodes a task") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const Deed deed = any_deed();
  check(pool, deed, [&] { return pool.apply(take, Bomb{Place::loading, deed}, 1); });
}

TEST_CASE("pool deadlock: whatever happens in the function") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const Deed deed = any_deed();
  check(pool, deed, [&] { return pool.apply(function, deed); });
  check(pool, deed, [&] { return pool.map(function, {deed, deed, deed}, {.chunksize = 1}); });
}

TEST_CASE("pool deadlock: whatever happens when a worker encodes a result") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const Deed deed = any_deed();
  check(pool, deed, [&] { return pool.apply(make, Place::saving, deed); });
  check(pool, deed, [&] { return pool.map(make_for, {static_cast<int>(deed)}); });
}

TEST_CASE("pool deadlock: a result that cannot be decoded fails its own call, whoever drives the pool") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  CHECK_THROWS_WITH(pool.apply(make, Place::loading, Deed::error), "boom");
  CHECK_THROWS_AS(pool.apply(make, Place::loading, Deed::odd_error), int);
  ipc::Event failed;
  pool.apply_async(make, Place::loading, Deed::error).on_error([&](const std::exception_ptr&) { failed.set(); });
  failed.wait();
  const auto collect = [&](auto results) {
    int errors = 0;
    for (;;) {
      try {
        if (!results.next()) break;
      } catch (const std::runtime_error&) {
        ++errors;
      }
    }
    return errors;
  };
  const auto bombs = [](int x) { return Bomb{x == 2 ? Place::loading : Place::nowhere, Deed::error}; };
  CHECK(collect(pool.imap(bombs, std::vector<int>{1, 2, 3}, {.chunksize = 1})) == 1);
  CHECK(collect(pool.imap_unordered(bombs, std::vector<int>{1, 2, 3}, {.chunksize = 1})) == 1);
  CHECK(pool.apply(square, 3) == 9);
}

TEST_CASE("pool deadlock: serialize functions may use the pool that they run for") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  Busybody::pool = &pool;
  CHECK(pool.apply(twice, Busybody{4}).value == 8);
  std::vector<Busybody> inputs;
  for (int i = 0; i < 50; ++i) inputs.push_back({i});
  const auto results = pool.map(twice, inputs, {.chunksize = 3});
  for (int i = 0; i < 50; ++i) CHECK(results[static_cast<std::size_t>(i)].value == 2 * i);
  CHECK(pool.map_async(twice, inputs).get().size() == 50);
  int sum = 0;
  for (const Busybody& b : pool.imap_unordered(twice, inputs)) sum += b.value;
  CHECK(sum == 49 * 50);
  // Nobody waits for these: the pool's own thread decodes.
  std::vector<AsyncResult<Busybody>> many;
  for (int i = 0; i < 50; ++i) many.push_back(pool.apply_async(twice, inputs[static_cast<std::size_t>(i)]));
  while (!many.back().ready()) std::this_thread::yield();
  for (int i = 0; i < 50; ++i) CHECK(many[static_cast<std::size_t>(i)].get().value == 2 * i);
  Busybody::pool = nullptr;
}

TEST_CASE("pool deadlock: serialize functions may take a lock that a caller holds while it waits for others") {
  Pool pool(2);
  std::mutex mutex;
  Busybody::mutex = &mutex;
  for (int round = 0; round < 100; ++round) {
    auto blocked = pool.apply_async([] { return Busybody{1}; });
    int taken = 0;
    std::jthread taker([&] { taken = blocked.get().value; });
    {
      const std::lock_guard lock(mutex);
      // This must not need the thread that waits for the mutex.
      CHECK(pool.apply(square, round) == round * round);
    }
    taker.join();
    CHECK(taken == 1);
  }
  Busybody::mutex = nullptr;
}

TEST_CASE("pool deadlock: a task that forks and returns in both processes is answered by its worker alone") {
  Pool pool({.processes = 1, .start_method = fork_or_spawn()});
  const pid_t worker = pool.worker_pids().front();
  for (int i = 0; i < 20; ++i) {
    CHECK(pool.apply([] { return ::fork(); }) > 0);
    CHECK_NOTHROW(pool.apply([] { ::fork(); }));
    const auto parent = pool.apply([] {
      if (::fork() == 0) throw std::runtime_error("a test's, in a forked process");
      return ::getpid();
    });
    CHECK(parent == worker);
    const auto fork_sometimes = [](int x) {
      if (x % 10 == 3) ::fork();
      return square(x);
    };
    CHECK(pool.map(fork_sometimes, numbers(40), {.chunksize = 20}) == squares(40));
    const auto fork_sometimes_in_words = [](int x) {
      if (x % 10 == 3 && ::fork() == 0 && x > 20) throw std::runtime_error("a test's, in a forked process");
      return std::to_string(x);
    };
    int next = 0;
    for (const std::string& word : pool.imap(fork_sometimes_in_words, numbers(40), {.chunksize = 20})) {
      CHECK(word == std::to_string(next++));
    }
    CHECK(next == 40);
  }
  CHECK(pool.worker_pids() == std::vector{worker});
}

TEST_CASE("pool deadlock: a worker dies while large tasks wait for it") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const std::vector<double> large(200000, 1.5);
  std::vector<AsyncResult<std::size_t>> results;
  auto dead = pool.apply_async(function, Deed::crash);
  for (int i = 0; i < 20; ++i) results.push_back(pool.apply_async([](const std::vector<double>& v) { return v.size(); }, large));
  CHECK_THROWS_AS(dead.get(), ipc::WorkerLost);
  for (const auto& result : results) CHECK(result.get() == large.size());
}

TEST_CASE("pool deadlock: a worker dies after the pool was closed") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  const Deed deed = GENERATE(Deed::exit_now, Deed::crash);
  auto dead = pool.apply_async(function, deed);
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 20; ++i) results.push_back(pool.apply_async(square, i));
  pool.close();
  for (const pid_t pid : pool.worker_pids()) ::kill(pid, SIGKILL);
  pool.join();
  CHECK_THROWS_AS(dead.get(), ipc::WorkerLost);
  for (int i = 0; i < 20; ++i) {
    const auto& result = results[static_cast<std::size_t>(i)];
    CHECK(result.ready());
    try {
      const int value = result.get();
      CHECK(value == i * i);
    } catch (const ipc::WorkerLost&) {
    }
  }
}

TEST_CASE("pool shutdown: fifty queued tasks are finished by close, and more are refused") {
  Pool pool({.processes = 3, .start_method = fork_or_spawn()});
  std::vector<AsyncResult<int>> results;
  for (int i = 0; i < 50; ++i) results.push_back(pool.apply_async(square, i));
  pool.close();
  CHECK_THROWS_AS(pool.apply_async(square, 1), ipc::UsageError);
  CHECK_THROWS_AS(pool.map_async(square, std::vector<int>{1}), ipc::UsageError);
  CHECK_THROWS_AS(pool.imap(square, std::vector<int>{1}), ipc::UsageError);
  pool.join();
  for (int i = 0; i < 50; ++i) CHECK(results[static_cast<std::size_t>(i)].get() == i * i);
}

TEST_CASE("pool shutdown: of fifty tasks those that are cancelled never run, and join does not wait for them") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  std::vector<AsyncResult<int>> results;
  const auto nap = [](int x) {
    std::this_thread::sleep_for(2ms);
    return x;
  };
  for (int i = 0; i < 50; ++i) results.push_back(pool.apply_async(nap, i));
  results.front().wait();
  for (std::size_t i = 10; i < 50; ++i) results[i].cancel();
  pool.close();
  pool.join();
  int cancelled = 0;
  for (int i = 0; i < 50; ++i) {
    try {
      const int value = results[static_cast<std::size_t>(i)].get();
      CHECK(value == i);
    } catch (const ipc::Cancelled&) {
      ++cancelled;
    }
  }
  CHECK(cancelled > 20);
}

TEST_CASE("pool shutdown: submit, cancel, close and join, again and again") {
  const auto method = fork_or_spawn();
  for (int round = 0; round < (method == StartMethod::fork ? 20 : 5); ++round) {
    Pool pool({.processes = 1, .start_method = method});
    auto result = pool.apply_async(for_ever, 0);
    CHECK(result.cancel());
    pool.close();
    pool.join();
    CHECK_THROWS_AS(result.get(), ipc::Cancelled);
  }
}

TEST_CASE("pool shutdown: the destructor ends everything at once, from any state") {
  const auto method = fork_or_spawn();
  for (int round = 0; round < (method == StartMethod::fork ? 20 : 6); ++round) {
    std::vector<AsyncResult<int>> results;
    {
      Pool pool({.processes = 1 + round % 3, .start_method = method});
      for (int i = 0; i < round; ++i) results.push_back(pool.apply_async(square, i));
      results.push_back(pool.apply_async(for_ever, 0));
      if (round % 2 == 0) pool.close();
    }
    for (const auto& result : results) CHECK(result.ready());
    CHECK_THROWS_AS(results.back().get(), ipc::PoolTerminated);
  }
}

TEST_CASE("pool shutdown: closing while many threads submit refuses some and loses none") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  std::atomic<int> done{0};
  std::atomic<int> accepted{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        try {
          for (;;) {
            auto result = pool.apply_async(square, 3);
            ++accepted;
            if (result.get() == 9) ++done;
          }
        } catch (const ipc::UsageError&) {
        }
      });
    }
    while (accepted < 50) std::this_thread::yield();
    pool.close();
  }
  pool.join();
  CHECK(done == accepted);
}

TEST_CASE("pool: arguments and results are let go of once a call is over") {
  Pool pool({.processes = 2, .start_method = fork_or_spawn()});
  std::vector<Counted> inputs(10);
  std::vector<std::weak_ptr<int>> watched;
  for (const auto& input : inputs) watched.emplace_back(input.alive);
  pool.map([](const Counted&) { return 1; }, inputs, {.chunksize = 1});
  pool.map_async([](const Counted&) { return 1; }, inputs).get();
  for (int v : pool.imap([](const Counted&) { return 1; }, inputs)) CHECK(v == 1);
  pool.apply([](const Counted&) { return 1; }, inputs.front());
  inputs.clear();
  // The last reference may be on its way to be dropped by the pool's own thread.
  for (const auto& weak : watched) {
    while (!weak.expired()) pool.apply(square, 1);
  }
}
