// The locks that managed values and arrays have for their clients.
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <ipc/event.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Manager;
using Ints = std::vector<int>;

TEST_CASE("no call on a managed value comes between another's lock and its end") {
  const Manager m;
  const auto count = m.Value<int>();
  const auto array = m.Array<int>(2);
  constexpr int times = 25;
  std::vector<ipc::Process> processes;
  const auto start = [&](auto work) {
    processes.emplace_back([work] {
      for (int i = 0; i < times; ++i) work();
    });
    processes.back().start();
  };
  start([&] {
    auto value = count.lock();
    const int before = *value;
    std::this_thread::yield();
    *value = before + 1;
  });
  start([&] {
    const std::scoped_lock lock(count.get_lock());
    count.set(count.get() + 1);
  });
  start([&] { count.update([](int& x) { ++x; }); });
  start([&] { count.fetch_add(1); });
  start([&] {
    int expected = count.get();
    while (!count.compare_exchange(expected, expected + 1)) continue;
  });
  start([&] {
    auto elements = array.lock();
    for (int& x : elements) ++x;
  });
  start([&] { array.update(1, [](int& x) { ++x; }); });
  start([&] {
    const std::scoped_lock lock(array.get_lock());
    array[0] = array.get(0) + 1;
  });
  for (auto& process : processes) {
    process.join();
    CHECK(process.exitcode() == 0);
  }
  CHECK(count.get() == 5 * times);
  CHECK(array.to_vector() == Ints(2, 2 * times));
}

TEST_CASE("the lock of a managed value is the same for all its proxies, and an RLock") {
  const Manager m;
  const auto value = m.Value<std::string>("a");
  const auto same = m.list<ipc::ValueProxy<std::string>>({value}).get(0);
  CHECK(value.get_lock() == same.get_lock());
  const std::scoped_lock lock(value.get_lock());
  value.lock()->append("b");
  CHECK(same.get() == "ab");
  bool taken = false;
  std::thread other([&] { taken = same.get_lock().try_lock() || same.get_lock().try_lock_for(1ms); });
  other.join();
  CHECK_FALSE(taken);
  const auto sorted = m.Array<int>({3, 1, 2});
  {
    const auto elements = sorted.lock();
    std::sort(elements.begin(), elements.end());
    elements[2] += elements.data()[0];
    elements.store();
    CHECK(sorted.size() == 3);
  }
  CHECK(sorted.get_value() == Ints{1, 2, 4});
}

TEST_CASE("a call that has waited for the lock still has the descriptors of its value") {
  const Manager m;
  const auto value = m.Value<ipc::Event>(ipc::Event());
  const ipc::Event mine;
  auto guard = std::make_optional<std::unique_lock<const ipc::RLockProxy>>(value.get_lock());
  std::thread other([&] { value.set(mine); });
  std::this_thread::sleep_for(20ms);
  CHECK_FALSE(value.get() == mine);
  guard.reset();
  other.join();
  value.get().set();
  CHECK(mine.is_set());
}

TEST_CASE("when the holder of a managed value's lock is killed, the value is as before, and the next one has the lock") {
  const Manager m;
  const auto value = m.Value<int>(5);
  const auto array = m.Array<int>({1, 2});
  const auto locked = m.Event();
  ipc::Process holder([&] {
    auto guard = value.lock();
    auto elements = array.lock();
    *guard = 6;
    elements[0] = 7;
    locked.set();
    ::pause();
  });
  holder.start();
  locked.wait();
  Ints seen;
  std::thread other([&] { seen = array.get_value(); });
  holder.kill();
  {
    const auto guard = value.lock();
    CHECK(guard.recovered());
    CHECK(*guard == 5);
  }
  CHECK_FALSE(value.lock().recovered());
  other.join();
  CHECK(seen == Ints{1, 2});
  holder.join();
}

TEST_CASE("a guard outlives its manager") {
  const Manager m;
  const auto value = m.Value<int>(5);
  const auto guard = value.lock();
  m.shutdown();
  m.join();
  CHECK_THROWS_AS(guard.store(), ipc::ManagerLost);
}

}  // namespace
