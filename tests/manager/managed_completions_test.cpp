// Several results of managed pools: as_completed and wait.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <stdexcept>
#include <vector>

#include <ipc/as_completed.hpp>
#include <ipc/connection.hpp>
#include <ipc/manager.hpp>
#include <ipc/wait.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::EventProxy;
using ipc::Manager;
using ipc::WaitFor;
using Result = ipc::AsyncResultProxy<int>;
using Positions = std::vector<std::size_t>;

int square(int x) { return x * x; }
int fail(int) { throw std::runtime_error("failed"); }
int for_ever(int) {
  for (;;) ::sleep(3600);
}
int after(const EventProxy& event, int x) {
  event.wait();
  return x;
}

TEST_CASE("managed as_completed: gives each result once, in the order in which they become ready") {
  const Manager m;
  const auto pool = m.Pool(3);
  std::vector<EventProxy> events;
  std::vector<Result> results;
  for (int i = 0; i < 3; ++i) {
    events.push_back(m.Event());
    results.push_back(pool.apply_async(after, events.back(), i));
  }
  const Positions order{1, 2, 0};
  Positions seen;
  auto completed = ipc::as_completed(results);
  events[order[0]].set();
  for (const auto& result : completed) {
    CHECK(result.ready());
    CHECK(result.get() == static_cast<int>(completed.index()));
    seen.push_back(completed.index());
    if (seen.size() < 3) events[order[seen.size()]].set();
  }
  CHECK(seen == order);
}

TEST_CASE("managed as_completed: results that are ready come first, a duplicate once; after its time-out it says how many are left") {
  const Manager m;
  const auto pool = m.Pool(2);
  const auto done = pool.apply_async(square, 2);
  const auto failed = pool.apply_async(fail, 2);
  const auto cancelled = pool.apply_async(for_ever, 2);
  done.wait();
  failed.wait();
  cancelled.cancel();
  const auto pending = pool.apply_async(for_ever, 5);
  const auto timeout = GENERATE(0ms, 30ms);
  auto completed = ipc::as_completed(std::vector<Result>{pending, done, failed, done, cancelled, pending}, timeout);
  std::set<std::size_t> seen;
  for (int i = 0; i < 3; ++i) {
    REQUIRE(completed.next());
    seen.insert(completed.index());
  }
  CHECK(seen == std::set<std::size_t>{1, 2, 4});
  CHECK_THROWS_WITH(completed.next(), ipc::test::has_text("1 (of 4)"));
  CHECK_THROWS_AS(completed.next(), ipc::TimeoutError);
  CHECK(ipc::as_completed(std::vector<Result>()).next() == std::nullopt);
}

TEST_CASE("managed as_completed: many results of several pools, in another process") {
  const Manager m;
  const auto a = m.Pool(2);
  const auto b = m.Pool(1);
  std::vector<Result> results;
  for (int i = 0; i < 300; ++i) results.push_back((i % 3 == 0 ? a : b).apply_async(square, i));
  auto [ours, theirs] = ipc::Pipe();
  ours.send(results);
  ipc::test::ForkedChild child([&theirs = theirs] {
    std::vector<int> seen;
    for (const auto& result : ipc::as_completed(theirs.recv<std::vector<Result>>())) seen.push_back(result.get());
    std::sort(seen.begin(), seen.end());
    for (int i = 0; i < 300; ++i) {
      if (seen.at(static_cast<std::size_t>(i)) != i * i) return 1;
    }
    return 0;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("managed wait: the first, the first that failed, all") {
  const Manager m;
  const auto pool = m.Pool(3);
  const auto event = m.Event();
  const auto never = pool.apply_async(for_ever, 1);
  const auto later = pool.apply_async(after, event, 2);
  const std::vector<Result> two{never, later};
  CHECK(ipc::wait(two, WaitFor::first_completed, 0s).done.empty());
  event.set();
  const auto first = ipc::wait(two, WaitFor::first_completed);
  CHECK(first.done == Positions{1});
  CHECK(first.not_done == Positions{0});
  const auto failing = pool.apply_async(fail, 1);
  const auto withdrawn = pool.apply_async(for_ever, 1);
  withdrawn.cancel();
  CHECK(ipc::wait(std::vector<Result>{never, withdrawn}, WaitFor::first_exception, 30ms).done == Positions{1});
  failing.wait();
  CHECK(ipc::wait(std::vector<Result>{never, withdrawn, failing}, WaitFor::first_exception).done == Positions{1, 2});
  CHECK(ipc::wait(std::vector<Result>{later, failing, later}).done == Positions{0, 1, 2});
  const std::vector<int> xs{1, 2};
  const std::vector maps{pool.map_async(square, xs), pool.map_async(square, xs)};
  CHECK(ipc::wait(maps).done == Positions{0, 1});
}

TEST_CASE("ipc::wait: managed results together with other things, here and in a child") {
  const Manager m;
  const auto pool = m.Pool(2);
  const auto event = m.Event();
  const auto later = pool.apply_async(after, event, 2);
  auto [reader, writer] = ipc::Pipe();
  CHECK(ipc::wait({later, reader}, 0s).empty());
  writer.send(1);
  CHECK(ipc::wait({later, reader}) == Positions{1});
  ipc::test::ForkedChild child([&] { return ipc::wait({later}) == Positions{0} && later.get() == 2 ? 0 : 1; });
  event.set();
  CHECK(ipc::wait({later}) == Positions{0});
  CHECK(ipc::wait({reader, later}, 0s) == Positions{0, 1});
  CHECK(later.get() == 2);
  CHECK(child.wait() == 0);
  const auto failed = pool.apply_async(fail, 1);
  failed.wait();
  CHECK(ipc::wait({failed}, 0s) == Positions{0});
  // It is no end of it that nobody else has a proxy.
  CHECK(ipc::wait({pool.apply_async(square, 3)}) == Positions{0});
}

TEST_CASE("ipc::wait: a managed result is ready when its server has ended") {
  const Manager m;
  const auto pool = m.Pool(1);
  const auto never = pool.apply_async(for_ever, 1);
  CHECK(ipc::wait({never}, 0s).empty());
  m.shutdown();
  m.join();
  CHECK(ipc::wait({never}) == Positions{0});
  CHECK_THROWS_AS(never.get(), ipc::ManagerLost);
}

TEST_CASE("who waits for managed results again and again leaves nothing behind") {
  const Manager m;
  const auto pool = m.Pool(1);
  const std::vector<Result> never{pool.apply_async(for_ever, 1)};
  const auto objects = m.number_of_objects();
  for (int i = 0; i < 100; ++i) CHECK(ipc::wait(never, WaitFor::all_completed, 0s).done.empty());
  CHECK(m.number_of_objects() == objects);
}

TEST_CASE("managed as_completed: a server that ends, results of two, and a request that has no queue") {
  const Manager m;
  const auto pool = m.Pool(1);
  const std::vector<Result> never{pool.apply_async(for_ever, 1)};
  auto completed = ipc::as_completed(never);
  {
    const Manager other;
    CHECK_THROWS_AS(ipc::as_completed(std::vector<Result>{never[0], other.Pool(1).apply_async(square, 1)}), ipc::UsageError);
  }
  using ipc::detail::Op;
  using ipc::detail::Request;
  CHECK_THROWS_AS(Request(never[0].reference(), Op::notify).put(m.list<int>()).put(std::uint64_t{1}).send(), ipc::EncodingError);
  CHECK_THROWS_AS(Request(never[0].reference(), Op::notify).put(1).put(std::uint64_t{1}).send(), ipc::EncodingError);
  const auto queue = m.Queue<std::uint64_t>();
  CHECK_THROWS_AS(Request(never[0].reference(), Op::notify).put(queue).send(), ipc::EncodingError);
  CHECK_THROWS_AS(Request(never[0].reference(), Op::notify).put(queue).put(never[0]).send(), ipc::EncodingError);
  m.shutdown();
  CHECK_THROWS_AS(completed.next(), ipc::ManagerLost);
}

}  // namespace
