// Exceptions on their way between a pool and its workers.

#include <ipc/pool.hpp>

#include <unistd.h>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using ipc::Pool;
using ipc::test::square;

namespace {

struct Own : std::exception {
  const char* what() const noexcept override { return "my own"; }
};

/// Cannot be encoded or decoded when told so.
struct Stubborn {
  int mood = 0;  // 1: refuses to be encoded; 2: refuses to be decoded.
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    if (Archive::is_saving::value && mood == 1) throw std::runtime_error("not today");
    archive& mood;
    if (Archive::is_loading::value && mood == 2) throw std::runtime_error("not here");
  }
};

int mood_of(Stubborn s) { return s.mood; }
Stubborn in_mood(int mood) { return Stubborn{mood}; }
[[gnu::noinline]] int throws_somewhere_deep(int x) {
  if (x > 0) throw std::runtime_error("deep");
  return x;
}
int on_the_way_there(int x) { return throws_somewhere_deep(x) + 1; }

}  // namespace

TEST_CASE("pool exceptions: a standard exception arrives as its type, as its bases, and as RemoteError") {
  Pool pool(1);
  const auto task = [] { std::vector<int>(3).at(7); };
  CHECK_THROWS_AS(pool.apply(task), std::out_of_range);
  CHECK_THROWS_AS(pool.apply(task), std::logic_error);
  CHECK_THROWS_AS(pool.apply(task), std::exception);
  CHECK_THROWS_AS(pool.apply(task), ipc::RemoteError);
  CHECK_THROWS_AS(pool.apply(task), ipc::Error);
  try {
    pool.apply(task);
  } catch (const ipc::RemoteError& error) {
    CHECK(error.type_name() == "std::out_of_range");
    CHECK(error.process_name() == "PoolWorker-1");
    CHECK(error.pid() == pool.worker_pids().front());
  }
}

TEST_CASE("pool exceptions: others arrive as RemoteError with their type and text") {
  Pool pool(1);
  try {
    pool.apply([] { throw Own(); });
    FAIL("nothing thrown");
  } catch (const ipc::RemoteError& error) {
    CHECK_THAT(error.type_name(), ipc::test::has_text("Own"));
    CHECK(std::string(error.what()) == "my own");
  }
  CHECK_THROWS_AS(pool.apply([] { throw 42; }), ipc::RemoteError);
  try {
    pool.apply([] { throw std::system_error(ENOENT, std::generic_category(), "open"); });
    FAIL("nothing thrown");
  } catch (const std::system_error& error) {
    CHECK(error.code() == std::errc::no_such_file_or_directory);
  }
}

TEST_CASE("pool exceptions: what cannot be encoded or decoded, on either side, fails its own call only") {
  Pool pool(1);
  const pid_t worker = pool.apply([] { return static_cast<int>(::getpid()); });
  for (int round = 0; round < 20; ++round) {
    CHECK_THROWS_WITH(pool.apply(mood_of, Stubborn{1}), ipc::test::has_text("not today"));
    CHECK_THROWS_WITH(pool.apply(mood_of, Stubborn{2}), ipc::test::has_text("not here"));
    CHECK_THROWS_WITH(pool.apply(in_mood, 1), ipc::test::has_text("not today"));
    CHECK_THROWS_WITH(pool.apply(in_mood, 2), ipc::test::has_text("not here"));
    CHECK_THROWS(pool.map(mood_of, std::vector<Stubborn>{{0}, {1}, {0}}, {.chunksize = 1}));
    CHECK_THROWS(pool.map(in_mood, std::vector<int>{0, 2, 0}, {.chunksize = 1}));
    CHECK(pool.apply(square, 3) == 9);
  }
  CHECK(pool.worker_pids() == std::vector<pid_t>{worker});
}

TEST_CASE("pool exceptions: map waits for all chunks, and large exceptions do not block it") {
  Pool pool(2);
  const auto task = [](int x) {
    if (x % 2 == 0) throw std::runtime_error(std::string(1 << 20, 'e'));
    return x;
  };
  std::vector<int> inputs(20);
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = static_cast<int>(i);
  try {
    pool.map(task, inputs, {.chunksize = 1});
    FAIL("nothing thrown");
  } catch (const std::runtime_error& error) {
    CHECK(std::string(error.what()).size() >= (1 << 20));
  }
}

TEST_CASE("pool exceptions: where a task threw is known to whoever catches it") {
  Pool pool({.processes = 1, .start_method = GENERATE(ipc::StartMethod::fork, ipc::StartMethod::spawn)});
  const auto origin_of = [](auto call) -> std::string {
    try {
      call();
    } catch (const ipc::RemoteError& error) {
      CHECK(error.process_name() == "PoolWorker-1");
      return error.backtrace();
    }
    return "nothing was thrown";
  };
  const auto has = [](const std::string& text, const char* what) { return text.find(what) != std::string::npos; };
  const auto has_both = [&](const std::string& text) { return has(text, "throws_somewhere_deep") && has(text, "on_the_way_there"); };
  const std::string once = origin_of([&] { pool.apply(on_the_way_there, 1); });
  INFO(once);
  CHECK(has_both(once));
  CHECK(once.find("throws_somewhere_deep") < once.find("on_the_way_there"));
  CHECK_FALSE(has(once, "__cxa_throw"));
  CHECK_FALSE(has(once, "Worker"));
  CHECK(has_both(origin_of([&] { pool.map(on_the_way_there, {1, 2}); })));
  CHECK(has_both(origin_of([&] { pool.imap(on_the_way_there, std::vector<int>{1}).next(); })));
  // What was caught in the task itself leaves no trace in what comes after it.
  const auto catches = [](int x) {
    try {
      on_the_way_there(x);
    } catch (const std::exception&) {
    }
    throw 7;
  };
  CHECK_FALSE(has(origin_of([&] { pool.apply(catches, 1); }), "throws_somewhere_deep"));
  Pool silent({.processes = 1, .backtraces = false});
  CHECK(origin_of([&] { silent.apply(on_the_way_there, 1); }).empty());
}
