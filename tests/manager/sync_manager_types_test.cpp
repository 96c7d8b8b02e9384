// CPython's TestSyncManagerTypes: each type, used by a child process and by its parent.
#include <mutex>
#include <string>
#include <vector>

#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::test::require;

/// Runs `body` in a forked child and waits for it.
template <class F>
void in_child(F body) {
  ipc::Process child([&] { body(); });
  child.start();
  child.join();
  CHECK(child.exitcode() == 0);
}

TEST_CASE("TestSyncManagerTypes test_event") {
  const ipc::Manager m;
  const auto event = m.Event();
  CHECK_FALSE(event.is_set());
  CHECK_FALSE(event.wait_for(0s));
  CHECK_FALSE(event.wait_for(10ms));
  in_child([&] { event.set(); });
  CHECK(event.is_set());
  CHECK(event.wait());
  event.clear();
  CHECK_FALSE(event.get_value());
}

TEST_CASE("TestSyncManagerTypes test_lock") {
  const ipc::Manager m;
  const auto lock = m.Lock();
  CHECK_THROWS_AS(lock.unlock(), ipc::UsageError);
  lock.lock();
  CHECK_FALSE(lock.try_lock());
  CHECK_THROWS_AS(lock.lock(), ipc::UsageError);
  in_child([&] {
    require(!lock.try_lock(), "a held lock was taken");
    require(!lock.try_lock_for(10ms), "a held lock was taken");
    bool thrown = false;
    try {
      lock.unlock();
    } catch (const ipc::UsageError&) {
      thrown = true;
    }
    require(thrown, "another's lock was unlocked");
  });
  lock.unlock();
  in_child([&] {
    const std::scoped_lock guard(lock);
    require(!lock.recovered(), "nobody died");
  });
  CHECK(lock.try_lock());
  lock.unlock();
}

TEST_CASE("TestSyncManagerTypes test_rlock") {
  const ipc::Manager m;
  const auto lock = m.RLock();
  for (int i = 0; i < 3; ++i) lock.lock();
  in_child([&] { require(!lock.try_lock(), "a held lock was taken"); });
  for (int i = 0; i < 3; ++i) lock.unlock();
  CHECK_THROWS_AS(lock.unlock(), ipc::UsageError);
  in_child([&] { require(lock.try_lock(), "a free lock was not taken"); });
}

TEST_CASE("TestSyncManagerTypes test_semaphore") {
  const ipc::Manager m;
  const auto semaphore = m.Semaphore(2);
  in_child([&] { semaphore.acquire(); });
  CHECK(semaphore.get_value() == 1);
  CHECK(semaphore.try_acquire());
  CHECK_FALSE(semaphore.try_acquire());
  CHECK_FALSE(semaphore.try_acquire_for(10ms));
  semaphore.release(3);
  CHECK(semaphore.get_value() == 3);
}

TEST_CASE("TestSyncManagerTypes test_bounded_semaphore") {
  const ipc::Manager m;
  const auto semaphore = m.BoundedSemaphore(1);
  in_child([&] {
    semaphore.acquire();
    semaphore.release();
  });
  CHECK_THROWS_AS(semaphore.release(), std::invalid_argument);
}

TEST_CASE("TestSyncManagerTypes test_condition") {
  const ipc::Manager m;
  const auto lock = m.Lock();
  const auto condition = m.Condition(lock);
  const auto state = m.Value<int>(0);
  CHECK_THROWS_AS(condition.notify(), ipc::UsageError);
  CHECK_THROWS_AS(condition.wait(), ipc::UsageError);
  ipc::Process child([&] {
    const std::scoped_lock guard(condition);
    state.set(1);
    condition.notify_all();
    condition.wait([&] { return state.get() == 2; });
    state.set(3);
  });
  {
    const std::unique_lock guard(condition);
    CHECK_FALSE(condition.wait_for(0s));
    CHECK_FALSE(condition.wait_for(10ms));
    child.start();
    condition.wait([&] { return state.get() == 1; });
    CHECK_FALSE(lock.try_lock());
    state.set(2);
    condition.notify();
  }
  child.join();
  CHECK(child.exitcode() == 0);
  CHECK(state.get() == 3);
}

TEST_CASE("TestSyncManagerTypes test_barrier") {
  const ipc::Manager m;
  const auto barrier = m.Barrier(2);
  CHECK(barrier.parties() == 2);
  CHECK(barrier.n_waiting() == 0);
  ipc::Process child([&] {
    barrier.wait();
    barrier.wait();
  });
  child.start();
  barrier.wait();
  barrier.wait();
  child.join();
  CHECK(child.exitcode() == 0);
  barrier.abort();
  CHECK(barrier.broken());
  CHECK_THROWS_AS(barrier.wait(), ipc::BrokenBarrier);
  barrier.reset();
  CHECK_FALSE(barrier.broken());
  CHECK_THROWS_AS(barrier.wait_for(10ms), ipc::BrokenBarrier);
}

TEST_CASE("the action of a managed barrier runs once, on the server; what it throws breaks the barrier") {
  const ipc::Manager m;
  const auto quiet = m.Barrier(1, [] {});
  CHECK(quiet.wait() == 0);
  const auto loud = m.Barrier(1, [] { throw std::domain_error("no"); });
  CHECK_THROWS_AS(loud.wait(), std::domain_error);
  CHECK(loud.broken());
}

TEST_CASE("TestSyncManagerTypes test_queue") {
  const ipc::Manager m;
  const auto queue = m.Queue<int>(2);
  CHECK(queue.empty());
  in_child([&] {
    queue.put(1);
    queue.put(2);
    require(!queue.try_put(3), "a full queue took an item");
  });
  CHECK(queue.full());
  CHECK(queue.qsize() == 2);
  CHECK_THROWS_AS(queue.put(3, 10ms), ipc::Full);
  CHECK(queue.get() == 1);
  CHECK(queue.get(1s) == 2);
  CHECK_THROWS_AS(queue.get_nowait(), ipc::Empty);
  CHECK_THROWS_AS(queue.get(10ms), ipc::Empty);
  ipc::Process producer([&] {
    queue.put_many(std::vector<int>{1, 2, 3, 4, 5, 6, 7});
    queue.shutdown();
  });
  producer.start();
  std::vector<int> all;
  for (const int item : queue) all.push_back(item);
  CHECK(all == std::vector<int>{1, 2, 3, 4, 5, 6, 7});
  CHECK_THROWS_AS(queue.put(8), ipc::ShutDown);
}

TEST_CASE("TestSyncManagerTypes test_joinable_queue") {
  const ipc::Manager m;
  const auto queue = m.JoinableQueue<int>();
  for (int i = 0; i < 4; ++i) queue.put(i);
  CHECK_FALSE(queue.join(0s));
  in_child([&] {
    for (int i = 0; i < 4; ++i) {
      require(queue.get() == i, "out of order");
      queue.task_done();
    }
  });
  queue.join();
  CHECK_THROWS_AS(queue.task_done(), std::invalid_argument);
}

TEST_CASE("TestSyncManagerTypes test_list") {
  const ipc::Manager m;
  const auto list = m.list<int>({4, 5});
  in_child([&] {
    list.extend({1, 2, 3});
    list.insert(0, 9);
    require(list.pop() == 3, "pop");
    require(list.pop(0) == 9, "pop(0)");
    list.remove(5);
  });
  CHECK(list.to_vector() == std::vector<int>{4, 1, 2});
  CHECK(list.count(4) == 1);
  CHECK(list.index(2) == 2);
  list.sort(std::greater<>());
  CHECK(list.get_value() == std::vector<int>{4, 2, 1});
  list.reverse();
  list[-1] = 40;
  CHECK(list[-1] == 40);
  CHECK(list.slice(1, -1) == std::vector<int>{2});
  CHECK(list.update(0, [](int& x) { return std::to_string(++x); }) == "2");
  CHECK_THROWS_AS(list.update(0, [](int&) { throw std::length_error("x"); }), std::length_error);
  CHECK_THROWS_AS(list.pop(17), std::out_of_range);
  CHECK_THROWS_AS(list.remove(17), std::invalid_argument);
  list.clear();
  CHECK(list.empty());
  CHECK_THROWS_AS(list.pop(), std::out_of_range);
}

TEST_CASE("TestSyncManagerTypes test_dict") {
  const ipc::Manager m;
  const auto dict = m.dict<std::string, int>({{"one", 1}});
  in_child([&] {
    dict["two"] = 2;
    dict.merge({{"three", 3}, {"one", 10}});
  });
  CHECK(dict.keys() == std::vector<std::string>{"one", "two", "three"});
  CHECK(dict.values() == std::vector<int>{10, 2, 3});
  CHECK(dict.to_map() == std::map<std::string, int>{{"one", 10}, {"two", 2}, {"three", 3}});
  CHECK(dict.popitem() == std::pair<std::string, int>("three", 3));
  CHECK(dict.setdefault("four", 4) == 4);
  CHECK(dict.setdefault("four", 5) == 4);
  CHECK(dict.pop("four") == 4);
  CHECK(dict.pop("four", 6) == 6);
  CHECK_THROWS_AS(dict.pop("four"), std::out_of_range);
  CHECK_THROWS_AS(dict.get("four"), std::out_of_range);
  CHECK_THROWS_AS(dict.update("four", [](int&) {}), std::out_of_range);
  CHECK(dict.get("four", 7) == 7);
  CHECK(dict.contains("one"));
  CHECK(dict.erase("one"));
  CHECK_FALSE(dict.erase("one"));
  CHECK(dict.size() == 1);
  dict.clear();
  CHECK_THROWS_AS(dict.popitem(), std::out_of_range);
}

TEST_CASE("TestSyncManagerTypes test_value") {
  const ipc::Manager m;
  const auto value = m.Value<int>(1);
  in_child([&] { value.set(2); });
  CHECK(value.get() == 2);
  CHECK(value.fetch_add(3) == 2);
  CHECK(value.fetch_sub(1) == 5);
  CHECK(value.exchange(7) == 4);
  int expected = 8;
  CHECK_FALSE(value.compare_exchange(expected, 9));
  CHECK(expected == 7);
  CHECK(value.compare_exchange(expected, 9));
  CHECK(value.update([](int& x) { return x *= 2; }) == 18);
}

TEST_CASE("TestSyncManagerTypes test_array") {
  const ipc::Manager m;
  const auto array = m.Array<double>(3);
  in_child([&] { array.set(-1, 0.5); });
  CHECK(array.get_value() == std::vector<double>{0, 0, 0.5});
  CHECK(array.size() == 3);
  CHECK_THROWS_AS(array.get(3), std::out_of_range);
  CHECK(m.Array<int>({1, 2}).slice(1) == std::vector<int>{2});
}

TEST_CASE("TestSyncManagerTypes test_namespace") {
  const ipc::Manager m;
  const auto space = m.Namespace();
  space.set("x", 10);
  space.set("text", "ten");
  in_child([&] {
    require(space.get<int>("x") == 10, "x");
    require(space.get<std::string>("text") == "ten", "text");
    space.set("y", std::vector<int>{1});
  });
  CHECK(space.get<std::vector<int>>("y") == std::vector<int>{1});
  CHECK_THROWS_AS(space.get<long>("x"), ipc::EncodingError);
  space.del("x");
  CHECK_FALSE(space.has("x"));
  CHECK_THROWS_AS(space.get<int>("x"), std::out_of_range);
  CHECK_THROWS_AS(space.del("x"), std::out_of_range);
}

}  // namespace
