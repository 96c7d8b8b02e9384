#include <ipc/value.hpp>

#include <ipc/array.hpp>
#include <ipc/rlock.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

namespace {

/// Which a death may leave half written.
struct Pair {
  std::int64_t first;
  std::int64_t second;
};

}  // namespace

TEST_CASE("RLock: under random kills the others go on, and the total is exact up to what the dead were doing") {
  const RLock lock;
  const auto shared = test::make_counters();
  auto& first = (*shared)[0];
  auto& second = (*shared)[1];
  auto& broken = (*shared)[2];
  std::function<bool()> stopping;
  test::KillStorm storm(4, [&](int, test::KillStorm::Account account) {
    while (!stopping()) {
      const std::scoped_lock outer(lock);
      const bool recovered = lock.recovered();
      const std::scoped_lock inner(lock);
      if (first != second) {
        if (!recovered || first != second + 1) ++broken;
        second.store(first);
      }
      ++account.begun;
      ++first;
      ++second;
      ++account.done;
    }
  });
  stopping = [&] { return storm.stopping(); };
  storm.run(test::KillStorm::kills(100), 11);
  const std::scoped_lock guard(lock);
  REQUIRE(broken == 0);
  REQUIRE(first >= storm.least());
  REQUIRE(first <= storm.most());
}

TEST_CASE("Value: under random kills updates, guards and additions are exact up to what the dead were doing") {
  const Value<std::int64_t> updated;
  const Value<std::int64_t> added;
  const Value<Pair> pair(Pair{0, 0});
  const auto shared = test::make_counters();
  auto& broken = (*shared)[0];
  std::function<bool()> stopping;
  test::KillStorm storm(4, [&](int, test::KillStorm::Account account) {
    while (!stopping()) {
      ++account.begun;
      updated.update([](std::int64_t& x) { ++x; });
      added.fetch_add(1);
      {
        auto guard = pair.lock();
        if (guard->first != guard->second) {
          if (!guard.recovered() || guard->first != guard->second + 1) ++broken;
          guard->second = guard->first;
        }
        ++guard->first;
        ++guard->second;
      }
      ++account.done;
    }
  });
  stopping = [&] { return storm.stopping(); };
  storm.run(test::KillStorm::kills(100), 12);
  REQUIRE(broken == 0);
  const std::int64_t least = storm.least();
  for (const std::int64_t total : {updated.get(), added.get(), pair.lock()->first}) {
    REQUIRE(total >= least);
    REQUIRE(total <= storm.most());
  }
}

TEST_CASE("Array: under random kills changes under its lock are exact up to what the dead were doing") {
  constexpr std::size_t size = 16;
  const Array<std::int64_t> array(size);
  const auto shared = test::make_counters();
  auto& broken = (*shared)[0];
  std::function<bool()> stopping;
  test::KillStorm storm(4, [&](int, test::KillStorm::Account account) {
    while (!stopping()) {
      ++account.begun;
      {
        auto guard = array.lock();
        // All are equal, but for what a dead predecessor had not come to.
        for (std::size_t i = 1; i < size; ++i) {
          if (guard[i] == guard[0]) continue;
          if (!guard.recovered() || guard[i] != guard[0] - 1) ++broken;
          guard[i] = guard[0];
        }
        for (std::int64_t& element : guard) ++element;
      }
      ++account.done;
    }
  });
  stopping = [&] { return storm.stopping(); };
  storm.run(test::KillStorm::kills(100), 13);
  REQUIRE(broken == 0);
  const std::int64_t least = storm.least();
  REQUIRE(array.get(0) >= least);
  REQUIRE(array.get(0) <= storm.most());
}
