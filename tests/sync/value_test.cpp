#include <ipc/value.hpp>

#include <cstring>
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

namespace {

struct Point {
  double x;
  double y;
  double z;
};

/// Its atomics are lock-free, and three of its bytes mean nothing.
struct Padded {
  char letter;
  int number;
};

/// A `Padded` whose idle bytes are such.
void write_with_padding(Padded& at, const Padded& value, unsigned char idle) {
  std::memset(static_cast<void*>(&at), idle, sizeof at);
  at.letter = value.letter;
  at.number = value.number;
}

template <class T>
concept HasFetchAdd = requires(const Value<T>& value, T by) {
  value.fetch_add(by);
};
template <class T>
concept HasExchange = requires(const Value<T>& value, T by) {
  value.exchange(by);
};
static_assert(HasFetchAdd<int> && HasFetchAdd<double> && !HasFetchAdd<bool> && !HasFetchAdd<Point>);
static_assert(HasExchange<bool> && HasExchange<char> && !HasExchange<Point>);

}  // namespace

TEMPLATE_TEST_CASE("Value: a child's change is seen by its parent", "", char, short, int, long, float, double) {
  const Value<TestType> value(TestType(7));
  const RawValue<TestType> raw(TestType(8));
  REQUIRE(value.get() == TestType(7));
  test::ForkedChild child([&] {
    value.set(TestType(9));
    raw.value() = TestType(10);
  });
  REQUIRE(child.wait() == 0);
  REQUIRE(value.get() == TestType(9));
  REQUIRE(raw.value() == TestType(10));
}

TEST_CASE("Value: begins with zeros unless it is told otherwise") {
  for (int i = 0; i < 3; ++i) {
    REQUIRE(Value<int>().get() == 0);
    REQUIRE(RawValue<Point>().value().z == 0);
    RawValue<Point>({1, 2, 3});
  }
}

TEST_CASE("Value: of a structure is changed as a whole under the lock, through update and guard") {
  const Value<Point> point(Point{1, 2, 3});
  REQUIRE(point.update([](Point& p) {
    p.x = 5;
    return p.x + p.y;
  }) == 7);
  {
    auto guard = point.lock();
    guard->y = 6;
    (*guard).z = 7;
    REQUIRE(point.get().y == 6);  // The lock is an RLock.
    test::ForkedChild child([&] { return point.get_lock().try_lock() ? 1 : 0; });
    REQUIRE(child.wait() == 0);
  }
  REQUIRE(point.get().z == 7);
}

TEST_CASE("Value: update returns a copy, never a reference to what it worked on") {
  const Value<int> value(41);
  const auto next = [](int& x) -> int& { return ++x; };
  static_assert(std::is_same_v<decltype(value.update(next)), int>);
  REQUIRE(value.update(next) == 42);
  const Value<Point> point(Point{1, 2, 3});
  static_assert(std::is_same_v<decltype(point.update(&Point::y)), double>);
  REQUIRE(point.update(&Point::y) == 2);
  static_assert(std::is_void_v<decltype(value.update([](int&) {}))>);
}

TEMPLATE_TEST_CASE("Value: an update within an update of the same value goes on with what that has made", "", int, Point) {
  struct Step {
    static void add(int& x) { ++x; }
    static void add(Point& p) { ++p.x; }
    static double seen(const int& x) { return x; }
    static double seen(const Point& p) { return p.x; }
  };
  const Value<TestType> value;
  const Value<TestType> copy = value;
  value.update([&](TestType& outer) {
    Step::add(outer);
    copy.update([&](TestType& inner) {
      Step::add(inner);
      value.update([](TestType& innermost) { Step::add(innermost); });
    });
    REQUIRE(Step::seen(outer) == 3);
    REQUIRE_THROWS_AS(copy.update([](TestType&) { throw std::domain_error("no"); }), std::domain_error);
    Step::add(outer);
  });
  REQUIRE(Step::seen(value.get()) == 4);
}

TEST_CASE("Value: an update that changes the value behind its own back is refused, not repeated for ever") {
  const Value<int> value(0);
  REQUIRE_THROWS_AS(value.update([&](int& x) { x = value.fetch_add(1); }), UsageError);
  auto guard = value.lock();
  REQUIRE_THROWS_AS(value.update([&](int& x) { x = ++*guard; }), UsageError);
}

TEST_CASE("Value: bytes that mean nothing make no values differ") {
  const Value<Padded> value(Padded{'a', 1});
  const auto idle = GENERATE(as<unsigned char>(), 0x00, 0x5a);
  write_with_padding(*value.lock(), {'a', 1}, idle);
  int runs = 0;
  value.update([&](Padded& p) {
    ++runs;
    p = Padded{'b', p.number + 1};
  });
  REQUIRE(runs == 1);

#if __has_builtin(__builtin_clear_padding)
  write_with_padding(*value.lock(), {'a', 1}, idle);
  Padded expected;
  write_with_padding(expected, {'a', 1}, 0x77);
  REQUIRE(value.compare_exchange(expected, Padded{'c', 3}));
  REQUIRE_FALSE(value.compare_exchange(expected, Padded{'d', 4}));
  REQUIRE(expected.letter == 'c');
  REQUIRE(expected.number == 3);
#endif
}

TEST_CASE("Value: a guard holds on though the handle that it came from is gone") {
  const Value<int> value(1);
  {
    auto guard = Value<int>(value).lock();
    *guard = 2;
    REQUIRE_FALSE(test::ForkedChild([&] { return value.get_lock().try_lock() ? 1 : 0; }).wait());
    std::vector<Value<int>> handles(1, value);
    guard = handles.front().lock();
    handles.reserve(handles.capacity() + 1);  // Which moves it.
    *guard += 1;
  }
  REQUIRE(test::ForkedChild([&] { return value.get_lock().try_lock() ? 1 : 0; }).wait());
  REQUIRE(value.get() == 3);

  const auto only = [] { return Value<int>(7); };
  auto guard = only().lock();
  const std::vector<Value<int>> others(100, Value<int>(0));  // Where its memory would be used again.
  *guard += 1;
  REQUIRE(*guard == 8);
  guard = only().lock();
  REQUIRE(*guard == 7);
}

TEST_CASE("Value: may share its lock") {
  const Lock lock;
  const Value<int> a(1, lock);
  const Value<int> b(2, lock);
  REQUIRE(a.get_lock() == lock);
  auto guard = a.lock();
  REQUIRE_THROWS_AS(b.get(), UsageError);
  REQUIRE(b.fetch_add(5) == 2);  // Without the lock.
}

TEST_CASE("Value: atomic operations do as std::atomic's") {
  const Value<int> value(12);
  REQUIRE(value.exchange(10) == 12);
  int expected = 11;
  REQUIRE_FALSE(value.compare_exchange(expected, 1));
  REQUIRE(expected == 10);
  REQUIRE(value.compare_exchange(expected, 12));
  REQUIRE(value.fetch_sub(2) == 12);
  REQUIRE(value.fetch_or(1) == 10);
  REQUIRE(value.fetch_and(3) == 11);
  REQUIRE(value.fetch_xor(1) == 3);
  REQUIRE(value.get() == 2);
  const Value<double> real(0.5);
  real.fetch_add(1.0);
  REQUIRE(real.get() == 1.5);
}

TEMPLATE_TEST_CASE("Value: updates, guards and additions lose nothing", "", test::Threads, test::Processes) {
  const Value<long> updated(0);
  const Value<long> guarded(0);
  const Value<Point> structure;
  TestType::run(4, [&](int who) {
    for (int i = 0; i < 2000; ++i) {
      if (who % 2 == 0)
        updated.update([](long& x) { ++x; });
      else
        updated.fetch_add(1);
      *guarded.lock() += 1;
      structure.update([](Point& p) { p.x += 1; });
    }
  });
  REQUIRE(updated.get() == 8000);
  REQUIRE(guarded.get() == 8000);
  REQUIRE(structure.get().x == 8000);
}

TEST_CASE("Value: who takes its lock from the dead is told") {
  const Value<Point> value;
  test::ForkedChild child([&] {
    auto guard = value.lock();
    guard->x = 1;
    ::kill(::getpid(), SIGKILL);
  });
  REQUIRE(child.wait() == -SIGKILL);
  REQUIRE(value.lock().recovered());
  REQUIRE_FALSE(value.lock().recovered());
}

TEST_CASE("Value: travels in messages with its lock, and arrives as its own type only") {
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] {
    const auto value = test::from_message<Value<int>>(test::receive_message(there.get()));
    value.update([](int& x) { x += 1; });
  });
  const Value<int> value(41);
  test::send_message(here.get(), test::to_message(value));
  REQUIRE(child.wait() == 0);
  REQUIRE(value.get() == 42);
  REQUIRE_THROWS_AS(test::from_message<Value<float>>(test::to_message(value)), EncodingError);
  const RawValue<int> raw(1);
  REQUIRE(test::from_message<RawValue<int>>(test::to_message(raw)) == raw);
}

TEST_CASE("Value: a hundred thousand of them need no descriptors") {
  const int before = Fd::duplicate_of(0).get();
  std::vector<Value<int>> values;
  for (int i = 0; i < 100'000; ++i) values.emplace_back(i);
  REQUIRE(Fd::duplicate_of(0).get() <= before + 4);
  long sum = 0;
  for (const auto& value : values) sum += value.get();
  REQUIRE(sum == 99'999L * 50'000);
}
