#include <fcntl.h>

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <ipc/array.hpp>
#include <ipc/barrier.hpp>
#include <ipc/condition.hpp>
#include <ipc/error.hpp>
#include <ipc/event.hpp>
#include <ipc/lock.hpp>
#include <ipc/rlock.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/unlink.hpp>
#include <ipc/value.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;
using namespace std::chrono_literals;

namespace {

/// How each kind is made under a name.
template <class T>
struct Kind {
  static T create(std::string_view name) { return T::create(name); }
  static T open_or_create(std::string_view name) { return T::open_or_create(name); }
};
template <>
struct Kind<Barrier> {
  static Barrier create(std::string_view name) { return Barrier::create(name, 2); }
  static Barrier open_or_create(std::string_view name) { return Barrier::open_or_create(name, 2); }
};
template <class E>
struct Kind<Array<E>> {
  static Array<E> create(std::string_view name) { return Array<E>::create(name, 10); }
  static Array<E> open_or_create(std::string_view name) { return Array<E>::open_or_create(name, 10); }
};

struct Point {
  double x;
  double y;
};

}  // namespace

TEMPLATE_TEST_CASE("Named: is made once, opened, sent, unlinked, and gone", "", Lock, RLock, Semaphore, BoundedSemaphore, Event, Barrier,
                   Condition, Value<int>, Value<Point>, Array<double>) {
  const test::UniqueName name;
  REQUIRE(test::error_of([&] { TestType::open(name); }) == ENOENT);
  {
    const TestType object = Kind<TestType>::create(name);
    REQUIRE(test::error_of([&] { Kind<TestType>::create(name); }) == EEXIST);
    REQUIRE(TestType::open(name) == object);
    REQUIRE(Kind<TestType>::open_or_create(name) == object);
    REQUIRE(test::from_message<TestType>(test::to_message(object)) == object);
  }
  REQUIRE(name.has_object());  // As its maker left in order.
  const TestType again = TestType::open(name);
  ipc::unlink(name);
  REQUIRE(test::error_of([&] { TestType::open(name); }) == ENOENT);
  const TestType other = Kind<TestType>::open_or_create(name);
  REQUIRE_FALSE(other == again);
  ipc::unlink(name);
  REQUIRE_FALSE(name.has_object());
}

TEMPLATE_TEST_CASE("Named: cannot be opened as something else", "", Lock, RLock, Semaphore, BoundedSemaphore, Event, Barrier, Condition,
                   Value<int>, Value<Point>, Array<double>) {
  const test::UniqueName name;
  test::ForkedChild child([&] { Kind<TestType>::create(name); });
  REQUIRE(child.wait() == 0);  // In order, though without exit.
  const auto refuses = [&]<class T>(std::type_identity<T>) {
    if (std::is_same_v<T, TestType>) return;
    REQUIRE_THROWS_AS(T::open(name), UsageError);
    REQUIRE_THROWS_AS(Kind<T>::open_or_create(name), UsageError);
    REQUIRE(test::error_of([&] { Kind<T>::create(name); }) == EEXIST);
  };
  refuses(std::type_identity<Lock>());
  refuses(std::type_identity<RLock>());
  refuses(std::type_identity<Semaphore>());
  refuses(std::type_identity<BoundedSemaphore>());
  refuses(std::type_identity<Event>());
  refuses(std::type_identity<Barrier>());
  refuses(std::type_identity<Condition>());
  refuses(std::type_identity<Value<int>>());
  refuses(std::type_identity<Value<float>>());
  refuses(std::type_identity<Array<int>>());
  refuses(std::type_identity<Array<double>>());
  REQUIRE_NOTHROW(TestType::open(name));
  ipc::unlink(name);
}

TEST_CASE("Named: the message about another type names both") {
  const test::UniqueName name;
  const auto value = Value<int>::create(name, 3);
  REQUIRE_THROWS_WITH(Lock::open(name),
                      ipc::test::has_text("ipc::Value<int>") && ipc::test::has_text("ipc::Lock") && ipc::test::has_text(name.text()));
}

TEST_CASE("Named: another size is refused") {
  const test::UniqueName name;
  SECTION("of an array") {
    const auto array = Array<int>::create(name, std::vector{1, 2, 3});
    REQUIRE(Array<int>::open(name).size() == 3);
    REQUIRE(Array<int>::open_or_create(name, 3).get(-1) == 3);
    REQUIRE_THROWS_AS(Array<int>::open_or_create(name, 4), UsageError);
    REQUIRE_THROWS_AS(Array<int>::open_or_create(name, {1, 2}), UsageError);
    REQUIRE_THROWS_AS(Array<int>::create(name, -1), std::invalid_argument);
  }
  SECTION("of a barrier") {
    const auto barrier = Barrier::create(name, 3);
    REQUIRE(Barrier::open(name).parties() == 3);
    REQUIRE_THROWS_AS(Barrier::open_or_create(name, 4), UsageError);
    REQUIRE_THROWS_AS(Barrier::create(name, 0), std::invalid_argument);
  }
  SECTION("of a bounded semaphore") {
    const auto semaphore = BoundedSemaphore::create(name, 3);
    REQUIRE_THROWS_AS(BoundedSemaphore::open(name).release(), std::invalid_argument);
    REQUIRE_THROWS_AS(BoundedSemaphore::open_or_create(name, 4), UsageError);
    REQUIRE(BoundedSemaphore::open_or_create(name, 3) == semaphore);
  }
}

TEST_CASE("Named: begins as it is told, and stays as it is when it is opened") {
  const test::UniqueName name;
  SECTION("a semaphore") {
    const auto semaphore = Semaphore::create(name, 3);
    semaphore.acquire();
    REQUIRE(Semaphore::open_or_create(name, 7).get_value() == 2);
  }
  SECTION("a value") {
    const auto value = Value<Point>::create(name, {1, 2});
    REQUIRE(Value<Point>::open_or_create(name, {3, 4}).get().y == 2);
  }
  SECTION("an array of zeros") {
    const auto array = Array<double>::create(name, 1000);
    for (double x : array.lock()) REQUIRE(x == 0);
  }
  SECTION("an array larger than any block") {
    const auto array = Array<char>::create(name, 9 << 20);
    array.set(-1, 'x');
    REQUIRE(Array<char>::open(name).get((9 << 20) - 1) == 'x');
  }
}

TEST_CASE("Named: a value whose type cannot be made of nothing is opened all the same") {
  struct Numbered {
    explicit Numbered(int n) : number(n) {}
    int number;
  };
  const test::UniqueName name;
  const auto created = Value<Numbered>::create(name, Numbered(7));
  REQUIRE(Value<Numbered>::open(name).get().number == 7);
  REQUIRE(Value<Numbered>::open_or_create(name, Numbered(8)).get().number == 7);
}

TEST_CASE("Named: objects that separate processes open are one object") {
  const test::UniqueName lock_name;
  const test::UniqueName total_name;
  const test::UniqueName gate_name;
  test::Processes::run(4, [&](int) {
    const auto lock = Lock::open_or_create(lock_name);
    const auto total = Value<long>::open_or_create(total_name);
    Barrier::open_or_create(gate_name, 4).wait();
    for (int i = 0; i < 1000; ++i) {
      const std::scoped_lock guard(lock);
      auto value = total.lock();
      *value += 1;
    }
  });
  REQUIRE(Value<long>::open(total_name).get() == 4000);
  for (const auto* name : {&lock_name, &total_name, &gate_name}) ipc::unlink(*name);
}

TEST_CASE("Named: a handle that is sent is the same object in a process that never heard the name") {
  const test::UniqueName name;
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] {  // Forked before there is anything.
    const auto value = test::from_message<Value<int>>(test::receive_message(there.get()));
    value.update([](int& x) { ++x; });
    test::send_message(there.get(), test::to_message(value));
    ::pause();
  });
  {
    const auto value = Value<int>::create(name, 5);
    test::send_message(here.get(), test::to_message(value));
  }
  const auto value = test::from_message<Value<int>>(test::receive_message(here.get()));
  REQUIRE(value.get() == 6);
  REQUIRE(Value<int>::open(name) == value);
  ipc::unlink(name);
}

TEST_CASE("Named: a condition brings its lock along") {
  const test::UniqueName name;
  const test::UniqueName turn_name;
  const auto turn = Value<int>::create(turn_name);
  const auto condition = Condition::create(name);
  test::ForkedChild child([&] {
    const auto same = Condition::open(name);
    const std::scoped_lock guard(same);
    same.wait([&] { return turn.get() == 1; });
    turn.set(2);
    same.notify_all();
  });
  std::unique_lock guard(condition);
  turn.set(1);
  condition.notify_all();
  condition.wait([&] { return turn.get() == 2; });
  guard.unlock();
  REQUIRE(child.wait() == 0);
}

TEST_CASE("Named: a barrier's action is run by a handle that has one") {
  const test::UniqueName name;
  const Value<int> runs;
  const auto act = [runs] { runs.fetch_add(1); };
  const auto barrier = Barrier::create(name, 2, act);
  test::ForkedChild child([&] { Barrier::open(name, act).wait(); });
  barrier.wait();
  REQUIRE(child.wait() == 0);
  REQUIRE(runs.get() == 1);
}

TEST_CASE("Named: who takes a lock from its killed holder is told, in another program as well") {
  const test::UniqueName name;
  const auto lock = Lock::create(name);
  test::ForkedChild child([&] {
    const auto same = Lock::open(name);
    same.lock();
    ::kill(::getpid(), SIGKILL);
  });
  REQUIRE(child.wait() == -SIGKILL);
  lock.lock();
  REQUIRE(lock.recovered());
  lock.unlock();
}

TEST_CASE("Named: the last handle may be thrown away under the held lock") {
  const test::UniqueName name;
  {
    const auto lock = Lock::create(name);
    lock.lock();
  }
  const auto same = Lock::open(name);
  REQUIRE(same.try_lock());
  REQUIRE_FALSE(same.recovered());
  same.unlock();
  // Another thread's stays held: its memory too.
  std::thread holder([&] { Lock::open(name).lock(); });
  holder.join();
  test::ForkedChild child([&] {
    const auto mine = Lock::open(name);
    mine.lock();
    return mine.recovered() ? 0 : 1;
  });
  REQUIRE(child.wait() == 0);
  ipc::unlink(name);
}

TEST_CASE("Named: of a creator that was killed is made anew, also while nobody looked") {
  const test::UniqueName name;
  test::ForkedChild child([&] {
    const auto value = Value<int>::create(name, 7);
    if (!name.has_object()) return 1;  // Afterwards any other program's sweep may come first.
    ::kill(::getpid(), SIGKILL);
    return 0;
  });
  REQUIRE(child.wait() == -SIGKILL);
  SECTION("by create") { REQUIRE(Value<int>::create(name, 8).get() == 8); }
  SECTION("by open_or_create") { REQUIRE(Value<int>::open_or_create(name, 8).get() == 8); }
  SECTION("as something else") { REQUIRE_NOTHROW(Event::create(name)); }
  SECTION("but is not found by open") {
    REQUIRE(test::error_of([&] { Value<int>::open(name); }) == ENOENT);
    REQUIRE_FALSE(name.has_object());
    return;
  }
  ipc::unlink(name);
}

TEST_CASE("Named: exit in the middle of things is in order, and a forked child's end says nothing") {
  const test::UniqueName name;
  test::ForkedChild child([&] {
    const auto value = Value<int>::create(name, 7);
    if (::fork() == 0) std::exit(0);
    ::waitpid(-1, nullptr, 0);
    std::exit(0);
  });
  REQUIRE(child.wait() == 0);
  REQUIRE(Value<int>::open(name).get() == 7);
  ipc::unlink(name);
  test::ForkedChild killed([&] {
    const auto value = Value<int>::create(name, 7);
    if (::fork() == 0) std::exit(0);
    ::waitpid(-1, nullptr, 0);
    ::kill(::getpid(), SIGKILL);
  });
  REQUIRE(killed.wait() == -SIGKILL);
  REQUIRE(test::error_of([&] { Value<int>::open(name); }) == ENOENT);
}

TEST_CASE("Named: a file that is none of ours is refused") {
  const test::UniqueName name;
  const std::size_t size = GENERATE(0u, 100u, 10'000u);
  Fd file(::open(name.object_path().c_str(), O_CREAT | O_RDWR, 0600));
  REQUIRE(::ftruncate(file.get(), static_cast<off_t>(size)) == 0);
  REQUIRE_THROWS_AS(Lock::open(name), UsageError);
  REQUIRE(test::error_of([&] { Lock::create(name); }) == EEXIST);
}
