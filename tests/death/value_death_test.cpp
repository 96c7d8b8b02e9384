#include <ipc/value.hpp>

#include <array>

#include <ipc/array.hpp>
#include <ipc/rlock.hpp>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/kill_storm.hpp"

using namespace ipc;

namespace {

/// Which a death may leave half written.
using Pair = std::array<std::int64_t, 2>;

}  // namespace

TEST_CASE("Value, Array: a process killed at any point of a change leaves the old or the new, and tells of the lock") {
  const auto* point = GENERATE("lock.acquired", "lock.before_release", "lock.released");
  const bool done = point != std::string_view("lock.acquired");
  const bool released = point == std::string_view("lock.released");
  const Value<int> value(1);
  const Value<Pair> pair(Pair{1, 1});
  const Array<int> array{1, 1};
  const auto killed = [&](auto change) {
    test::ForkedChild child([&] {
      base::arm_kill_point(point);
      change();
    });
    REQUIRE(child.wait() == -SIGKILL);
  };
  killed([&] { value.update([](int& x) { ++x; }); });
  killed([&] { pair.set({2, 2}); });
  killed([&] { array.set(-1, 2); });
  REQUIRE(value.lock().recovered() != released);
  REQUIRE(pair.lock().recovered() != released);
  REQUIRE(array.lock().recovered() != released);
  REQUIRE(value.get() == (done ? 2 : 1));
  REQUIRE(pair.get() == (done ? Pair{2, 2} : Pair{1, 1}));
  REQUIRE(array.get(-1) == (done ? 2 : 1));
  REQUIRE_FALSE(value.lock().recovered());
}

TEST_CASE("Value: under random kills updates, guards and additions are exact up to what the dead were doing") {
  const Value<std::int64_t> updated;
  const Value<std::int64_t> added;
  const Value<Pair> pair(Pair{0, 0});
  const Value<int> broken;
  test::KillStorm storm(4, [&](int) {
    updated.update([](std::int64_t& x) { ++x; });
    added.fetch_add(1);
    const auto guard = pair.lock();
    if (!test::add_to_each(*guard, guard.recovered())) broken.fetch_add(1);
  });
  storm.run(test::KillStorm::kills(100), 12);
  REQUIRE(broken.get() == 0);
  for (const std::int64_t total : {updated.get(), added.get(), pair.get()[0]}) {
    REQUIRE(total >= storm.least());
    REQUIRE(total <= storm.most());
  }
}

TEST_CASE("Array: under random kills changes under its lock are exact up to what the dead were doing") {
  const Array<std::int64_t> array(16);
  const Value<int> broken;
  test::KillStorm storm(4, [&](int) {
    const auto guard = array.lock();
    if (!test::add_to_each(guard, guard.recovered())) broken.fetch_add(1);
  });
  storm.run(test::KillStorm::kills(100), 13);
  REQUIRE(broken.get() == 0);
  REQUIRE(array.get(0) >= storm.least());
  REQUIRE(array.get(0) <= storm.most());
}
