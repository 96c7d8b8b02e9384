// What processes share reaches children of every start method as arguments, and is the same thing there.
#include <chrono>
#include <cstring>
#include <list>
#include <mutex>
#include <numeric>

#include <ipc/array.hpp>
#include <ipc/barrier.hpp>
#include <ipc/condition.hpp>
#include <ipc/event.hpp>
#include <ipc/lock.hpp>
#include <ipc/pool.hpp>
#include <ipc/process.hpp>
#include <ipc/rlock.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/shareable_list.hpp>
#include <ipc/shared_memory.hpp>
#include <ipc/unlink.hpp>
#include <ipc/value.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;
using namespace std::chrono_literals;

namespace {

struct Point {
  double x;
  double y;
};

StartMethod each_method() { return GENERATE(StartMethod::fork, StartMethod::spawn, StartMethod::forkserver); }

/// Runs so many children with these arguments and waits for them; all must end well.
template <class F, class... Args>
void run_children(int count, StartMethod method, F f, const Args&... args) {
  std::list<Process> children;
  for (int i = 0; i < count; ++i) {
    children.emplace_back(ProcessOptions{.start_method = method}, f, args...);
    children.back().start();
  }
  for (Process& child : children) {
    child.join();
    REQUIRE(child.exitcode() == 0);
  }
}

// What the children do; functions with plain arguments, so that they can be spawned.

void count_under(const Lock& lock, const RLock& nested, const RawValue<long>& a, const RawValue<long>& b) {
  for (int i = 0; i < 1000; ++i) {
    {
      const std::scoped_lock guard(lock);
      ++a.value();
    }
    const std::scoped_lock outer(nested);
    const std::scoped_lock inner(nested);
    ++b.value();
  }
}

void pass_units(const Semaphore& from, const BoundedSemaphore& most, const Value<int>& inside, const Value<int>& crowded) {
  for (int i = 0; i < 100; ++i) {
    from.acquire();
    most.acquire();
    if (inside.fetch_add(1) >= 2) crowded.fetch_add(1);
    inside.fetch_sub(1);
    most.release();
    from.release();
  }
}

void take_turns(const Condition& condition, const Value<int>& turn, int turns) {
  for (int i = 0; i < turns; ++i) {
    const std::scoped_lock guard(condition);
    condition.wait([&] { return turn.get() % 2 == 1; });
    turn.set(turn.get() + 1);
    condition.notify();
  }
}

void answer(const Event& question, const Event& reply) {
  question.wait();
  question.clear();
  reply.set();
}

void keep_step(const Barrier& barrier, const Array<int>& passed) {
  for (int round = 0; round < 20; ++round) {
    const int index = barrier.wait();
    auto guard = passed.lock();
    ++guard[static_cast<std::size_t>(index)];
  }
}

void change_all(const Value<int>& number, const Value<Point>& point, const Array<double>& array, const RawArray<int>& raw) {
  number.update([](int& x) { x *= 2; });
  point.lock()->y += 1;
  array.set(-1, array.get(0) + 0.5);
  std::partial_sum(raw.span().begin(), raw.span().end(), raw.data());
}

int change_memory(const SharedMemory& memory, const ShareableList& list) {
  if (memory.buf()[0] != std::byte{1}) return 1;
  memory.buf()[1] = std::byte{2};
  list.set(0, list.get<std::string>(0) + "!");
  return SharedMemory::open(memory.name()) == memory ? 0 : 2;
}

int use_by_name(const std::string& name) {
  Value<int>::open(name).fetch_add(1);
  return 0;
}

long add_in_pool(const Value<long>& total, long by) { return total.fetch_add(by); }
int count_bytes(const SharedMemory& memory) {
  int sum = 0;
  for (const std::byte byte : memory.buf()) sum += std::to_integer<int>(byte);
  return sum;
}

}  // namespace

TEST_CASE("Shared state: Lock and RLock exclude children of every start method") {
  const Lock lock;
  const RLock nested;
  const RawValue<long> a;
  const RawValue<long> b;
  run_children(3, each_method(), count_under, lock, nested, a, b);
  REQUIRE(a.value() == 3000);
  REQUIRE(b.value() == 3000);
}

TEST_CASE("Shared state: semaphores let children of every start method in by their units") {
  const Semaphore from(5);
  const BoundedSemaphore most(2);
  const Value<int> inside;
  const Value<int> crowded;
  run_children(4, each_method(), pass_units, from, most, inside, crowded);
  REQUIRE(crowded.get() == 0);
  REQUIRE(from.get_value() == 5);
  REQUIRE(most.get_value() == 2);
  REQUIRE_THROWS_AS(most.release(), std::invalid_argument);
}

TEST_CASE("Shared state: a condition hands turns to children of every start method") {
  const Condition condition;
  const Value<int> turn;
  Process child(ProcessOptions{.start_method = each_method()}, take_turns, condition, turn, 20);
  child.start();
  for (int i = 0; i < 20; ++i) {
    const std::scoped_lock guard(condition);
    condition.wait([&] { return turn.get() % 2 == 0; });
    turn.set(turn.get() + 1);
    condition.notify();
  }
  child.join();
  REQUIRE(child.exitcode() == 0);
  REQUIRE(turn.get() == 40);
}

TEST_CASE("Shared state: an event reaches children of every start method") {
  const Event question;
  const Event reply;
  Process child(ProcessOptions{.start_method = each_method()}, answer, question, reply);
  child.start();
  REQUIRE_FALSE(reply.wait_for(0s));
  question.set();
  REQUIRE(reply.wait());
  child.join();
  REQUIRE_FALSE(question.is_set());
}

TEST_CASE("Shared state: a barrier keeps children of every start method in step") {
  const Barrier barrier(3);
  const Array<int> passed(3);
  run_children(3, each_method(), keep_step, barrier, passed);
  for (const int count : passed.lock()) REQUIRE(count == 20);
}

TEST_CASE("Shared state: values and arrays are changed by children of every start method") {
  const Value<int> number(21);
  const Value<Point> point(Point{1, 2});
  const Array<double> array{1, 2, 3};
  const RawArray<int> raw{1, 2, 3, 4};
  run_children(1, each_method(), change_all, number, point, array, raw);
  REQUIRE(number.get() == 42);
  REQUIRE(point.get().y == 3);
  REQUIRE(array.get(2) == 1.5);
  REQUIRE(raw[3] == 10);
}

TEST_CASE("Shared state: memory and lists with names are the same in children of every start method, and outlive them") {
  const auto memory = SharedMemory::create(100);
  memory.buf()[0] = std::byte{1};
  const ShareableList list{"changed", 1};
  const auto method = each_method();
  Process child(ProcessOptions{.start_method = method}, change_memory, memory, list);
  child.start();
  child.join();
  REQUIRE(child.exitcode() == 0);
  REQUIRE(memory.buf()[1] == std::byte{2});
  REQUIRE(list.get<std::string>(0) == "changed!");
  REQUIRE(SharedMemory::open(memory.name()) == memory);
}

TEST_CASE("Shared state: children of every start method find what has a name") {
  const test::UniqueName name;
  const auto value = Value<int>::create(name, 5);
  run_children(2, each_method(), use_by_name, name.text());
  REQUIRE(value.get() == 7);
  ipc::unlink(name);
}

TEST_CASE("Shared state: a named object sent to a spawned child lives on there") {
  const test::UniqueName name;
  Event arrived;
  Event go;
  Value<int> seen;
  Process child;
  {
    const auto value = Value<int>::create(name, 5);
    child = Process(
        ProcessOptions{.start_method = StartMethod::spawn},
        [](const Value<int>& mine, const Event& here, const Event& may, const Value<int>& result) {
          here.set();
          may.wait();
          result.set(mine.get());
        },
        value, arrived, go, seen);
    child.start();
    arrived.wait();
  }
  ipc::unlink(name);
  go.set();
  child.join();
  REQUIRE(seen.get() == 5);
}

TEST_CASE("Shared state: handles are arguments of pool tasks") {
  Pool pool(2);
  const Value<long> total;
  const auto memory = SharedMemory::create(10);
  memory.buf()[9] = std::byte{9};
  for (long i = 0; i < 100; ++i) pool.apply(add_in_pool, total, i);
  REQUIRE(total.get() == 4950);
  REQUIRE(pool.apply(count_bytes, memory) == 9);
}
