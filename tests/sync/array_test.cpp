#include <ipc/array.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <list>
#include <numeric>
#include <ranges>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include <ipc/error.hpp>
#include <ipc/lock.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"

using namespace ipc;

TEST_CASE("Array: has the elements it was made from, and a child changes them") {
  const std::vector<int> seq{680, 626, 934, 821, 150, 233, 548, 982, 714, 831};
  const Array<int> array(seq);
  const RawArray<int> raw(seq);
  REQUIRE(array.size() == seq.size());
  REQUIRE(array.get(3) == 821);
  REQUIRE(array.get(-1) == 831);
  array.set(-10, 2);
  array.at(1) = 3;
  test::ForkedChild child([&] {
    auto guard = array.lock();
    std::partial_sum(guard.begin(), guard.end(), guard.begin());
    std::partial_sum(raw.data(), raw.data() + raw.size(), raw.data());
  });
  REQUIRE(child.wait() == 0);
  REQUIRE(array.get(1) == 5);
  REQUIRE(raw[9] == std::accumulate(seq.begin(), seq.end(), 0));
}

TEST_CASE("Array: of a size is zeroed, also in memory that was used before") {
  for (int i = 0; i < 3; ++i) {
    const Array<double> array(1000);
    REQUIRE(array.size() == 1000);
    for (const double x : array.lock()) REQUIRE(x == 0);
    auto guard = array.lock();
    std::fill(guard.begin(), guard.end(), 42.0);
  }
}

static_assert(std::ranges::contiguous_range<ArrayGuard<int>> && std::ranges::sized_range<ArrayGuard<int>>);

TEST_CASE("Array: is made from lists, ranges and nothing") {
  const Array<int> listed{1, 2, 3};
  REQUIRE(listed.get(2) == 3);
  const Array<long> ranged(std::list<int>{4, 5});
  REQUIRE(ranged.get(1) == 5);
  const Array<int> wide(std::array<long, 2>{6, 7});
  auto guard = wide.lock();
  std::ranges::sort(guard, std::greater<>());
  REQUIRE(guard[0] == 7);
  const Array<int> empty(0);
  REQUIRE(empty.size() == 0);
  REQUIRE(empty.lock().begin() == empty.lock().end());
}

TEST_CASE("Array: what is outside is refused") {
  const Array<int> array(10);
  REQUIRE_THROWS_AS(array.get(10), std::out_of_range);
  REQUIRE_THROWS_AS(array.get(-11), std::out_of_range);
  REQUIRE_THROWS_AS(array.set(10, 1), std::out_of_range);
  REQUIRE_THROWS_AS(array.at(10), std::out_of_range);
  REQUIRE_THROWS_AS(Array<int>(-1), std::invalid_argument);
  const RawArray<int> raw{1, 2, 3};
  REQUIRE(raw[-1] == 3);
  REQUIRE(raw[std::size_t{0}] == 1);
  REQUIRE(&raw[-3] == raw.data());
  REQUIRE_THROWS_AS(raw[3], std::out_of_range);
  REQUIRE_THROWS_AS(raw[-4], std::out_of_range);
  REQUIRE_THROWS_AS(raw[static_cast<std::size_t>(-1)], std::out_of_range);
  REQUIRE_THROWS_AS(RawArray<int>(0)[0], std::out_of_range);
}

TEST_CASE("Array: is sorted in place, and locked while it is") {
  std::vector<int> numbers(5000);
  std::iota(numbers.rbegin(), numbers.rend(), 0);
  const Array<int> array(numbers);
  {
    auto guard = array.lock();
    std::sort(guard.begin(), guard.end());
    test::ForkedChild child([&] { return array.get_lock().try_lock() ? 1 : 0; });
    REQUIRE(child.wait() == 0);
    REQUIRE(guard[17] == 17);
  }
  REQUIRE(array.get(-1) == 4999);
}

TEST_CASE("RawArray: indexes are signed and checked; ranges whose end is of another type will do") {
  const RawArray<int> raw(std::views::iota(1) | std::views::take_while([](int x) { return x < 4; }));
  REQUIRE(raw.size() == 3);
  raw[-1] = 9;
  REQUIRE(raw[2] == 9);
  REQUIRE(raw[std::size_t{0}] == raw[-3]);
  REQUIRE_THROWS_AS(raw[3], std::out_of_range);
  REQUIRE_THROWS_AS(raw[-4], std::out_of_range);
  REQUIRE(RawArray<int>({1, 2, 3}).size() == 3);
}

TEST_CASE("Array: may be larger than any arena") {
  const Array<double> array(20'000'000);
  array.set(-1, 1.5);
  test::ForkedChild child([&] { return array.get(-1) == 1.5 ? 0 : 1; });
  REQUIRE(child.wait() == 0);
  REQUIRE(test::from_message<Array<double>>(test::to_message(array)).get(-1) == 1.5);
}

TEST_CASE("Array: travels in messages with its lock, and arrives as its own type only") {
  const Lock lock;
  const Array<int> array(5, lock);
  array.set(0, 7);
  const auto received = test::from_message<Array<int>>(test::to_message(array));
  REQUIRE(received == array);
  REQUIRE(received.get_lock() == lock);
  REQUIRE(received.get(0) == 7);
  REQUIRE_THROWS_AS(test::from_message<Array<unsigned>>(test::to_message(array)), EncodingError);
  const RawArray<int> raw{1, 2};
  REQUIRE(test::from_message<RawArray<int>>(test::to_message(raw)).size() == 2);
}

TEMPLATE_TEST_CASE("Array: changes under the lock lose nothing", "", test::Threads, test::Processes) {
  const Array<int> array(16);
  TestType::run(4, [&](int) {
    for (int i = 0; i < 500; ++i) {
      auto guard = array.lock();
      for (int& x : guard) ++x;
    }
  });
  for (const int x : array.lock()) REQUIRE(x == 2000);
}

TEST_CASE("Array: a guard holds on though the handle that it came from is gone") {
  const auto made = [] { return Array<int>{3, 1, 2}; };
  std::vector<Array<int>> handles(1, made());
  auto guard = made().lock();
  const std::vector<Array<int>> others(100, Array<int>(3));  // Where its memory would be used again.
  std::ranges::sort(guard);
  REQUIRE(guard[2] == 3);
  guard = handles.front().lock();
  handles.reserve(handles.capacity() + 1);  // Which moves it.
  REQUIRE(guard[2] == 2);
}

TEST_CASE("Array: whatever becomes an integer by itself is an index and a length") {
  enum Colour { red, green, colours };
  struct Second {
    operator std::size_t() const { return 1; }
  };
  const RawArray<int> counts(colours);
  REQUIRE(counts.size() == 2);
  counts[green] = 5;
  REQUIRE(counts[Second()] == 5);
  REQUIRE(counts[true] == 5);
  REQUIRE(counts['\1'] == 5);
  REQUIRE(Array<int>(colours).size() == 2);
  REQUIRE(Array<int>(colours, Lock()).size() == 2);
  static_assert(!std::is_constructible_v<Array<int>, double>);
}

TEST_CASE("Array: what is wrong is named as it was given, however large") {
  const RawArray<int> raw(3);
  REQUIRE_THROWS_WITH(raw[SIZE_MAX], test::has_text("Index " + std::to_string(SIZE_MAX)));
  REQUIRE_THROWS_WITH(raw[-4], test::has_text("Index -4"));
  REQUIRE_THROWS_AS(Array<double>(SIZE_MAX), std::invalid_argument);
  REQUIRE_THROWS_WITH(RawArray<double>(SIZE_MAX), test::has_text(std::to_string(SIZE_MAX) + " elements of 8 bytes"));
}
