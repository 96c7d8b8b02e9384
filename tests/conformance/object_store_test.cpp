// What every store of objects promises, over every one that there is: a server on this machine, one over TCP, and the machine
// of a server in this process. Whoever adds another adds it to `stores`.
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/manager.hpp>

#include "tests/conformance/machine_store.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::ListProxy;
using ipc::Manager;
using ipc::test::wait_until;

struct Store {
  const char* name;
  bool travels;  ///< Other processes can use its objects.
  std::function<Manager()> make;
};
const std::vector<Store>& stores() {
  static const std::vector<Store> all{
      {"a server on this machine", true, [] { return Manager(); }},
      {"a server over TCP", true, [] { return Manager({.address = "tcp://127.0.0.1:0", .authkey = "key"}); }},
      {"a machine in this process", false, [] { return Manager::over(std::make_shared<ipc::test::MachineStore>()); }},
  };
  return all;
}
void over_every_store(const std::function<void(const Manager&, const Store&)>& test) {
  for (const Store& store : stores()) {
    INFO(store.name);
    test(store.make(), store);
  }
}

TEST_CASE("object store: an object lives as long as references to it, those of elements included") {
  over_every_store([](const Manager& m, const Store&) {
    {
      const auto list = m.list<int>({1});
      auto copy = std::make_optional(list);
      CHECK(*copy == list);
      CHECK(m.number_of_objects() == 1);
      copy.reset();
      CHECK(list.size() == 1);
      const auto outer = m.list<ListProxy<int>>({list, m.list<int>({2})});
      CHECK(m.number_of_objects() == 3);
      const auto inner = outer.pop();
      outer.clear();
      CHECK(inner.to_vector() == std::vector<int>{2});
      CHECK(m.number_of_objects() == 3);
    }
    CHECK(m.number_of_objects() == 0);
  });
}

TEST_CASE("object store: a name is the same object for everybody, of one type") {
  over_every_store([](const Manager& m, const Store&) {
    const auto list = m.list<int>(ipc::named("it"), std::vector<int>{1});
    CHECK(m.list<int>(ipc::named("it")) == list);
    CHECK(m.list<int>(ipc::named("it")).size() == 1);
    CHECK_THROWS_AS(m.list<long>(ipc::named("it")), ipc::UsageError);
    CHECK_THROWS_AS(m.Lock(ipc::named("it")), ipc::UsageError);
  });
}

TEST_CASE("object store: a call is as patient as it says, and others go on meanwhile") {
  over_every_store([](const Manager& m, const Store&) {
    const auto queue = m.Queue<int>();
    CHECK_FALSE(queue.try_get());
    CHECK_FALSE(queue.try_get_for(1ms));
    std::atomic<int> sum = 0;
    std::vector<std::thread> waiting;
    for (int i = 0; i < 3; ++i) waiting.emplace_back([&] { sum += queue.get(); });
    for (int i = 1; i <= 3; ++i) queue.put(i);
    for (std::thread& thread : waiting) thread.join();
    CHECK(sum == 6);
    const auto event = m.Event();
    std::thread setter([&] { event.set(); });
    CHECK(event.wait_for(1h));
    setter.join();
  });
}

TEST_CASE("object store: each call is one step") {
  over_every_store([](const Manager& m, const Store&) {
    const auto value = m.Value<long>(0);
    const auto lock = m.Lock();
    long guarded = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 100; ++n) {
          value.update([](long& x) { ++x; });
          lock.lock();
          ++guarded;
          lock.unlock();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(value.get() == 300);
    CHECK(guarded == 300);
  });
}

TEST_CASE("object store: what is wrong is said as what it is") {
  over_every_store([](const Manager& m, const Store&) {
    const auto list = m.list<int>({1});
    CHECK_THROWS_AS(list.get(1), std::out_of_range);
    CHECK_THROWS_AS(list.remove(7), std::invalid_argument);
    CHECK_THROWS_AS(list.update(0, [](int&) { throw std::domain_error("there"); }), std::domain_error);
    CHECK_THROWS_AS(list.update(0, [](int&) { throw std::domain_error("there"); }), ipc::RemoteError);
    CHECK_THROWS_AS(m.Lock().unlock(), ipc::UsageError);
    CHECK_THROWS_AS(m.Semaphore(2147483647).release(), std::overflow_error);
    const auto barrier = m.Barrier(2);
    barrier.abort();
    CHECK_THROWS_AS(barrier.wait(), ipc::BrokenBarrier);
    const auto queue = m.Queue<int>();
    queue.shutdown();
    CHECK_THROWS_AS(queue.get(), ipc::ShutDown);
    const auto space = m.Namespace();
    space.set("x", 1);
    CHECK_THROWS_AS(space.get<std::string>("x"), ipc::EncodingError);
    CHECK(list.get(0) == 1);
  });
}

TEST_CASE("object store: elements of any size") {
  over_every_store([](const Manager& m, const Store&) {
    const auto dict = m.dict<std::string, std::string>();
    const std::string large(5 << 20, 'x');
    dict.set("", "");
    dict.set("large", large);
    CHECK(dict.get("").empty());
    CHECK(dict.get("large") == large);
    CHECK(dict.items().size() == 2);
  });
}

TEST_CASE("object store: a proxy on its way keeps its object; where objects cannot go, that is said") {
  over_every_store([](const Manager& m, const Store& store) {
    auto [a, b] = ipc::Pipe();
    if (!store.travels) {
      CHECK_THROWS_AS(a.send(m.list<int>()), ipc::UsageError);
      return;
    }
    a.send(m.list<int>({1}));
    wait_until([&] { return m.number_of_objects() == 1; });
    CHECK(b.recv<ListProxy<int>>().to_vector() == std::vector<int>{1});
    wait_until([&] { return m.number_of_objects() == 0; });
  });
}

TEST_CASE("object store: at its end, every call is ManagerLost, also one that waits") {
  over_every_store([](const Manager& m, const Store&) {
    const auto queue = m.Queue<int>();
    const auto started = m.Event();
    std::thread waiting([&] {
      started.set();
      CHECK_THROWS_AS(queue.get(), ipc::ManagerLost);
    });
    started.wait();
    m.shutdown();
    waiting.join();
    m.join();
    CHECK_THROWS_AS(queue.qsize(), ipc::ManagerLost);
    CHECK_THROWS_AS(m.list<int>(), ipc::ManagerLost);
    m.shutdown();
  });
}

}  // namespace
