// CPython's tests of shared values and arrays, by their names, over threads, forked and spawned processes.
#include <algorithm>
#include <array>
#include <list>
#include <numeric>
#include <ranges>

#include <ipc/array.hpp>
#include <ipc/value.hpp>

#include "tests/conformance/direct.hpp"
#include "tests/conformance/value_suite.hpp"

using namespace ipc;
using namespace ipc::test;

namespace {

using Values = ValueSuite<Direct>;

struct Foo {
  int x;
  double y;
  std::int64_t z;
};

template <class T>
void twice(T& x) {
  x = static_cast<T>(x + x);
}
constexpr auto double_all = [](const auto& x, const auto& y, const auto& z, const auto& foo, const auto& array, const auto& string) {
  x.update(twice<int>);
  y.update(twice<double>);
  z.update(twice<std::int64_t>);
  auto inside = foo.lock();
  twice(inside->x);
  twice(inside->y);
  for (double& element : array.lock()) twice(element);
  auto text = string.lock();
  const auto end = std::ranges::find(text, '\0');
  std::copy(text.begin(), end, end);
};
constexpr auto double_all_raw = [](const auto& x, const auto& y, const auto& foo, const auto& array) {
  twice(x.value());
  twice(y.value());
  twice(foo.value().x);
  twice(foo.value().y);
  for (double& element : array.span()) twice(element);
};

struct DirectValues : Suite<Direct> {
  void test_rawvalue() const {
    const RawValue<int> number(7);
    const RawValue<double> zero;
    REQUIRE(number.value() == 7);
    REQUIRE(zero.value() == 0);
    elsewhere(
        [](const auto& i, const auto& d) {
          i.value() = 24234;
          d.value() = -4.25;
        },
        number, zero);
    REQUIRE(number.value() == 24234);
    REQUIRE(zero.value() == -4.25);
  }

  template <class L>
  void keeps(const L& lock) const {
    const Value<int> value(5, lock);
    const Array<int> array(5, lock);
    REQUIRE(value.get_lock() == lock);
    REQUIRE(array.get_lock() == lock);
    // It is one lock everywhere.
    const std::scoped_lock guard(lock);
    elsewhere([](const auto& v, const auto& a) { require(!v.get_lock().try_lock() && !a.get_lock().try_lock(), "another lock"); }, value,
              array);
  }
  void test_getobj_getlock() const {
    keeps(Lock());
    keeps(RLock());
    const Value<int> value(5);
    REQUIRE_FALSE(value.get_lock() == Value<int>(5).get_lock());
    auto guard = value.lock();
    REQUIRE(*guard == 5);
    elsewhere([](const auto& v) { require(!v.get_lock().try_lock(), "the guard does not lock"); }, value);
  }

  void test_array_under_its_guard() const {
    const std::vector<int> seq{680, 626, 934, 821, 150, 233, 548, 982, 714, 831};
    const Array<int> array(seq);
    const RawArray<int> raw(seq);
    {
      auto guard = array.lock();
      REQUIRE(std::ranges::equal(guard, seq));
      REQUIRE(std::ranges::equal(raw.span().subspan(2, 5), std::span(seq).subspan(2, 5)));
      const std::array<int, 4> replaced{1, 2, 3, 4};
      std::ranges::copy(replaced, guard.begin() + 4);  // A slice.
      std::ranges::copy(replaced, raw.data() + 4);
    }
    elsewhere(
        [](const auto& locked, const auto& bare) {
          auto guard = locked.lock();
          std::partial_sum(guard.begin(), guard.end(), guard.begin());
          std::partial_sum(bare.data(), bare.data() + bare.size(), bare.data());
        },
        array, raw);
    const std::vector<int> sums{680, 1306, 2240, 3061, 3062, 3064, 3067, 3071, 3785, 4616};
    REQUIRE(std::ranges::equal(array.lock(), sums));
    REQUIRE(std::ranges::equal(raw.span(), sums));
  }

  void test_sharedctypes() const {
    const RawValue<int> x(7);
    const RawValue<double> y(1.0 / 3.0);
    const RawValue<Foo> foo(Foo{3, 2, 1});
    const RawArray<double> array(std::views::iota(0, 10));
    elsewhere(double_all_raw, x, y, foo, array);
    REQUIRE(x.value() == 14);
    REQUIRE(y.value() == 2.0 / 3.0);
    REQUIRE(foo.value().x == 6);
    REQUIRE(foo.value().y == 4);
    for (std::size_t i = 0; i < 10; ++i) REQUIRE(array[i] == 2.0 * static_cast<double>(i));
  }

  void test_synchronize() const {
    const Value<int> x(7);
    const Value<double> y(1.0 / 3.0);
    const Value<std::int64_t> z(std::int64_t{1} << 33);
    const Value<Foo> foo(Foo{3, 2, 1});
    const Array<double> array(std::views::iota(0, 10));
    const Array<char> string(20);
    std::ranges::copy(std::string_view("hello"), string.lock().begin());
    elsewhere(double_all, x, y, z, foo, array, string);
    REQUIRE(x.get() == 14);
    REQUIRE(y.get() == 2.0 / 3.0);
    REQUIRE(z.get() == std::int64_t{1} << 34);
    REQUIRE(foo.get().x == 6);
    REQUIRE(foo.get().y == 4);
    REQUIRE(foo.get().z == 1);
    for (std::ptrdiff_t i = 0; i < 10; ++i) REQUIRE(array.get(i) == 2.0 * static_cast<double>(i));
    REQUIRE(std::string_view(string.lock().data()) == "hellohello");
  }
};

}  // namespace

TEST_CASE("_TestValue.test_value") { everywhere(&Values::test_value); }
TEST_CASE("_TestValue.test_rawvalue") { everywhere(&DirectValues::test_rawvalue); }
TEST_CASE("_TestValue.test_getobj_getlock") { everywhere(&DirectValues::test_getobj_getlock); }
TEST_CASE("_TestValue: updates lose nothing") { everywhere(&Values::updates_lose_nothing); }

TEST_CASE("_TestArray.test_array") { everywhere(&Values::test_array); }
TEST_CASE("_TestArray.test_array and test_rawarray: slices, and sums under the guard") {
  everywhere(&DirectValues::test_array_under_its_guard);
}
TEST_CASE("_TestArray.test_array_from_size") { everywhere(&Values::test_array_from_size); }

TEST_CASE("_TestSharedCTypes.test_sharedctypes") { everywhere(&DirectValues::test_sharedctypes); }
TEST_CASE("_TestSharedCTypes.test_synchronize") { everywhere(&DirectValues::test_synchronize); }
TEST_CASE("_TestSharedCTypes.test_copy") {
  const Value<Foo> foo(Foo{2, 5.0, std::int64_t{1} << 33});
  const Value<Foo> bar(foo.get());
  foo.set({0, 0, 0});
  REQUIRE(bar.get().x == 2);
  REQUIRE(bar.get().y == 5.0);
  REQUIRE(bar.get().z == std::int64_t{1} << 33);
  const Array<int> first{1, 2};
  const Array<int> second(first.lock());
  first.set(0, 9);
  REQUIRE(second.get(0) == 1);
}
