#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/manager.hpp>
#include <ipc/pool.hpp>
#include <ipc/process.hpp>
#include <ipc/queue.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::ListProxy;
using ipc::test::require;
using ipc::test::wait_until;

TEST_CASE("an object lives as long as a proxy, and no longer") {
  const ipc::Manager m;
  {
    const auto a = m.list<int>({1});
    const auto b = a;
    CHECK(a == b);
    CHECK_FALSE(a == m.list<int>({1}));
    CHECK(m.number_of_objects() == 1);
  }
  CHECK(m.number_of_objects() == 0);
}

TEST_CASE("test_list_proxy_in_list: an inner list is the same one, and outlives the outer") {
  const ipc::Manager m;
  auto inner = std::make_optional(m.list<int>({1}));
  {
    const auto outer = m.list<ListProxy<int>>({*inner});
    outer.get(0).append(2);
    CHECK(inner->to_vector() == std::vector<int>{1, 2});
    CHECK(outer.get(0) == *inner);
    inner.reset();
    CHECK(m.number_of_objects() == 2);
    inner = outer.pop();
    CHECK(outer.empty());
  }
  CHECK(m.number_of_objects() == 1);
  CHECK(inner->size() == 2);
}

TEST_CASE("test_dict_proxy_nested: only the container keeps it, and then nobody") {
  const ipc::Manager m;
  const auto pets = m.dict<std::string, ipc::DictProxy<std::string, int>>();
  pets["cat"] = m.dict<std::string, int>({{"ginger", 1}});
  CHECK(m.number_of_objects() == 2);
  pets.get("cat")["ginger"] = 2;
  CHECK(pets.get("cat").get("ginger") == 2);
  CHECK(m.number_of_objects() == 2);
  pets.clear();
  CHECK(m.number_of_objects() == 1);
}

TEST_CASE("test_nested_queue") {
  const ipc::Manager m;
  const auto list = m.list<ipc::QueueProxy<int>>();
  for (int i = 0; i < 5; ++i) list.append(m.Queue<int>());
  list.get(3).put(7);
  CHECK(list.get(3).get() == 7);
  CHECK(m.number_of_objects() == 6);
}

TEST_CASE("a proxy in flight keeps its object, through a connection and a queue") {
  const ipc::Manager m;
  auto [a, b] = ipc::Pipe();
  const ipc::Queue<ListProxy<int>> queue;
  {
    const auto list = m.list<int>({1});
    a.send(list);
    queue.put(list);
  }
  wait_until([&] { return m.number_of_objects() == 1; });
  CHECK(b.recv<ListProxy<int>>().to_vector() == std::vector<int>{1});
  CHECK(m.number_of_objects() == 1);
  CHECK(queue.get().size() == 1);
  wait_until([&] { return m.number_of_objects() == 0; });
}

TEST_CASE("proxies are arguments and results of processes of every start method and of pool tasks") {
  const ipc::Manager m;
  const auto list = m.list<int>();
  for (const auto method : {ipc::StartMethod::fork, ipc::StartMethod::spawn, ipc::StartMethod::forkserver}) {
    ipc::Process child(
        {.start_method = method}, [](const ListProxy<int>& numbers) { numbers.append(1); }, list);
    child.start();
    child.join();
    CHECK(child.exitcode() == 0);
  }
  ipc::Pool pool(2);
  const auto append = [](const ListProxy<int>& numbers, int number) {
    numbers.append(number);
    return numbers;
  };
  for (int i = 2; i < 5; ++i) CHECK(pool.apply(append, list, i) == list);
  CHECK(list.to_vector() == std::vector<int>{1, 1, 1, 2, 3, 4});
  // What was in flight is done with.
  wait_until([&] { return m.number_of_objects() == 1; });
}

TEST_CASE("a proxy of one manager can be an element of another's list") {
  const ipc::Manager m;
  const ipc::Manager other;
  const auto outer = other.list<ListProxy<int>>();
  outer.append(m.list<int>({1}));
  CHECK(outer.get(0).to_vector() == std::vector<int>{1});
  CHECK(outer.get(0) == outer.get(0));
  outer.clear();
  wait_until([&] { return m.number_of_objects() == 0; });
}

TEST_CASE("a proxy that is sent away by a process that then ends arrives") {
  const ipc::Manager m;
  const ipc::Queue<ListProxy<int>> queue;
  ipc::Process child([&] { queue.put(m.list<int>({1, 2})); });
  child.start();
  child.join();
  CHECK(child.exitcode() == 0);
  CHECK(queue.get().to_vector() == std::vector<int>{1, 2});
}

TEST_CASE("a forked child holds what it inherited, whatever its parent gives up") {
  const ipc::Manager m;
  auto [ours, its] = ipc::Pipe();
  auto list = std::make_optional(m.list<int>({1}));
  ipc::Process child([&, end = std::move(its)]() mutable {
    end.send(true);
    end.recv<bool>();
    require(list->size() == 1, "the object is gone");
    list.reset();
    end.send(m.number_of_objects());
  });
  child.start();
  ours.recv<bool>();
  list.reset();
  CHECK(m.number_of_objects() == 1);
  ours.send(true);
  CHECK(ours.recv<std::size_t>() == 0);
  child.join();
  CHECK(child.exitcode() == 0);
}

TEST_CASE("a client that is killed leaves its locks and references, and the next holder is told") {
  const ipc::Manager m;
  const auto lock = m.Lock();
  auto [ours, its] = ipc::Pipe();
  ipc::Process child([&, end = std::move(its)]() mutable {
    const auto own = m.list<int>();
    lock.lock();
    end.send(m.number_of_objects());
    end.recv<bool>();
  });
  child.start();
  CHECK(ours.recv<std::size_t>() == 2);
  CHECK_FALSE(lock.try_lock());
  child.kill();
  lock.lock();
  CHECK(lock.recovered());
  lock.unlock();
  CHECK(lock.try_lock());
  CHECK_FALSE(lock.recovered());
  wait_until([&] { return m.number_of_objects() == 1; });
}

TEST_CASE("a job goes back to the front when its worker is killed") {
  const ipc::Manager m;
  const auto jobs = m.JoinableQueue<int>();
  jobs.put(1);
  jobs.put(2);
  auto [ours, its] = ipc::Pipe();
  ipc::Process worker([&, end = std::move(its)]() mutable {
    end.send(jobs.get());
    end.recv<bool>();
  });
  worker.start();
  CHECK(ours.recv<int>() == 1);
  worker.kill();
  CHECK(worker.join(1h));
  wait_until([&] { return jobs.qsize() == 2; });
  CHECK(jobs.get() == 1);
  jobs.task_done();
  CHECK(jobs.get() == 2);
  jobs.task_done();
  jobs.join();
}

TEST_CASE("threads of one process are different owners") {
  const ipc::Manager m;
  const auto lock = m.Lock();
  lock.lock();
  std::thread other([&] {
    CHECK_FALSE(lock.try_lock());
    CHECK_THROWS_AS(lock.unlock(), ipc::UsageError);
  });
  other.join();
  std::thread waiting([&] {
    lock.lock();
    lock.unlock();
  });
  lock.unlock();
  waiting.join();
}

TEST_CASE("a killed server fails every call at once, also those that wait") {
  const ipc::Manager m;
  const auto pid = m.object<int>();
  const auto server = pid.call([](int&) { return ipc::current_process().pid(); });
  const auto queue = m.Queue<int>();
  std::vector<std::thread> waiting;
  std::atomic<int> lost{0};
  for (int i = 0; i < 3; ++i) {
    waiting.emplace_back([&] {
      try {
        queue.get();
      } catch (const ipc::ManagerLost&) {
        ++lost;
      }
    });
  }
  ::kill(server, SIGKILL);
  for (std::thread& thread : waiting) thread.join();
  CHECK(lost == 3);
  CHECK_THROWS_AS(queue.qsize(), ipc::ManagerLost);
  CHECK_THROWS_AS(m.list<int>(), ipc::ManagerLost);
}

TEST_CASE("a killed server's place in the file system goes with the manager that started it") {
  std::filesystem::path folder;
  {
    const ipc::Manager m;
    folder = std::filesystem::path(m.address().substr(5)).parent_path();
    REQUIRE(std::filesystem::exists(folder));
    const auto value = m.Value<int>(0);
    CHECK_THROWS_AS(value.update([](int&) { std::raise(SIGKILL); }), ipc::ManagerLost);
  }
  CHECK_FALSE(std::filesystem::exists(folder));
}

}  // namespace
