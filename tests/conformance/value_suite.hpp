#pragma once

#include <cstdint>
#include <stdexcept>
#include <vector>

#include "tests/conformance/place.hpp"

namespace ipc::test {

/// CPython's _TestValue and _TestArray, as far as values and arrays in memory and in a manager have in common.
template <class Make>
struct ValueSuite : Suite<Make> {
  struct Point {
    double x;
    double y;
    friend bool operator==(const Point&, const Point&) = default;
  };

  template <class T>
  void changes(const T& before, const T& after) const {
    const auto value = this->make.template value<T>(before);
    REQUIRE(value.get() == before);
    this->elsewhere(
        [](const auto& shared, const T& expected, const T& wanted) {
          require(shared.get() == expected, "not what it began with");
          shared.set(wanted);
        },
        value, before, after);
    REQUIRE(value.get() == after);
  }
  void test_value() const {
    changes<int>(4343, 24234);
    changes<double>(3.625, -4.25);
    changes<short>(-232, 234);
    changes<std::int64_t>(std::int64_t{1} << 33, std::int64_t{1} << 34);
    changes<char>('x', 'y');
    changes<Point>({1, 2}, {3, 4});
  }

  void updates_lose_nothing() const {
    const auto value = this->make.template value<long>(0);
    Crew crew(this->place);
    crew.start_many(
        3,
        [](const auto& shared) {
          for (int i = 0; i < 100; ++i) {
            require(shared.update([](long& x) { return ++x; }) > 0, "nothing was added");
            shared.fetch_add(2);
          }
        },
        value);
    crew.join();
    REQUIRE(value.get() == 900);
    REQUIRE(value.fetch_sub(890) == 900);
    REQUIRE(value.exchange(7) == 10);
    long expected = 8;
    REQUIRE_FALSE(value.compare_exchange(expected, 9));
    REQUIRE(expected == 7);
    REQUIRE(value.compare_exchange(expected, 9));
    REQUIRE(value.get() == 9);
  }

  void test_array() const {
    const std::vector<int> seq{680, 626, 934, 821, 150, 233, 548, 982, 714, 831};
    const auto array = this->make.template array<int>(seq);
    REQUIRE(array.size() == seq.size());
    REQUIRE(array.get(3) == seq[3]);
    REQUIRE(array.get(-1) == 831);
    array.set(4, 2);
    array.set(-10, 1);
    this->elsewhere(
        [](const auto& shared) {
          for (std::ptrdiff_t i = 1; i < static_cast<std::ptrdiff_t>(shared.size()); ++i) shared.set(i, shared.get(i - 1) + shared.get(i));
        },
        array);
    std::vector<int> sums{1, 627, 1561, 2382, 2384, 2617, 3165, 4147, 4861, 5692};
    for (std::size_t i = 0; i < sums.size(); ++i) REQUIRE(array.get(static_cast<std::ptrdiff_t>(i)) == sums[i]);
    REQUIRE_THROWS_AS(array.get(10), std::out_of_range);
    REQUIRE_THROWS_AS(array.get(-11), std::out_of_range);
    REQUIRE_THROWS_AS(array.set(10, 1), std::out_of_range);
    REQUIRE_THROWS_AS(array.at(-11), std::out_of_range);
  }

  void test_array_from_size() const {
    constexpr int size = 10;
    // Also in memory that has been used.
    for (int round = 0; round < 3; ++round) {
      const auto array = this->make.template array<int>(size);
      REQUIRE(array.size() == size);
      for (int i = 0; i < size; ++i) REQUIRE(array.get(i) == 0);
      for (int i = 0; i < size; ++i) array.set(i, 1000 + i);
      this->elsewhere([](const auto& shared) { require(shared.get(-1) == 1009, "not what was set"); }, array);
    }
    REQUIRE(this->make.template array<int>(0).size() == 0);
    REQUIRE_THROWS_AS(this->make.template array<int>(-1), std::invalid_argument);
  }
};

}  // namespace ipc::test
