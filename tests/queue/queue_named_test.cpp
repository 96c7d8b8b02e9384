#include <ipc/queue.hpp>

#include <string>

#include <ipc/lock.hpp>
#include <ipc/process.hpp>
#include <ipc/unlink.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/shm_names.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

int use_by_name(const std::string& name) {
  const auto opened = Queue<std::string>::open(name);
  if (opened.get() != "one") return 1;
  opened.put(std::string(1'000'000, 'x'));
  return opened.full() ? 2 : 0;
}

}  // namespace

TEST_CASE("Named queue: whoever opens it by its name has the same queue") {
  const test::UniqueName name;
  const auto queue = Queue<std::string>::create(name, 2);
  queue.put("one");
  Process stranger({.start_method = StartMethod::spawn}, use_by_name, name.text());
  stranger.start();
  stranger.join();
  REQUIRE(stranger.exitcode() == 0);
  REQUIRE(queue.get() == std::string(1'000'000, 'x'));
  REQUIRE(Queue<std::string>::open(name) == queue);
  REQUIRE(Queue<std::string>::open_or_create(name, 2) == queue);
  REQUIRE(test::from_message<Queue<std::string>>(test::to_message(queue)) == queue);
  ipc::unlink(name);
  REQUIRE_FALSE(name.has_object());
  queue.put("still there");
  REQUIRE(queue.get() == "still there");
}

TEST_CASE("Named queue: a name that is taken, missing, or something else") {
  const test::UniqueName name;
  REQUIRE_THROWS_AS(Queue<int>::open(name), std::system_error);
  const auto queue = Queue<int>::create(name, 3);
  REQUIRE_THROWS_AS(Queue<int>::create(name), std::system_error);
  REQUIRE_THROWS_AS(Queue<long>::open(name), UsageError);
  REQUIRE_THROWS_AS(Queue<std::string>::open(name), UsageError);
  REQUIRE_THROWS_AS(SimpleQueue<int>::open(name), UsageError);
  REQUIRE_THROWS_AS(JoinableQueue<int>::open(name), UsageError);
  REQUIRE_THROWS_AS(Queue<int>::open_or_create(name, 4), UsageError);
  REQUIRE_THROWS_AS(Lock::open(name), UsageError);
  const test::UniqueName other;
  const auto lock = Lock::create(other);
  REQUIRE_THROWS_AS(Queue<int>::open(other), UsageError);
  REQUIRE_THROWS_AS(Queue<int>::create(""), std::invalid_argument);
}

TEST_CASE("Named queue: items that would need descriptors, and fileno, are refused with a sentence") {
  const test::UniqueName name;
  const auto queue = Queue<std::pair<int, std::optional<Lock>>>::create(name);
  queue.put({1, std::nullopt});
  REQUIRE_THROWS_AS(queue.put({2, Lock()}), UsageError);
  REQUIRE(queue.qsize() == 1);
  REQUIRE(queue.get().first == 1);
  REQUIRE_THROWS_AS(queue.fileno(), UsageError);
}

TEST_CASE("Named queue: what is in it outlives its processes, until it is unlinked; a killed creator's does not") {
  const test::UniqueName name;
  REQUIRE(test::ForkedChild([&] {
            const auto queue = JoinableQueue<int>::create(name);
            queue.put(7);
          }).wait() == 0);
  REQUIRE(JoinableQueue<int>::open(name).get() == 7);
  ipc::unlink(name);

  test::ForkedChild creator([&] {
    const auto queue = Queue<int>::create(name);
    queue.put(7);
    for (;;) std::this_thread::sleep_for(1h);
  });
  test::wait_until([&] { return name.has_object(); });
  creator.kill();
  creator.wait();
  REQUIRE_THROWS_AS(Queue<int>::open(name), std::system_error);
  REQUIRE(Queue<int>::create(name).empty());
}
