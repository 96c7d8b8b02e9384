#include <ipc/queue.hpp>

#include <numeric>
#include <string>
#include <thread>
#include <vector>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/memfd.hpp"
#include "ipc/os/poll.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/die_at.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/shared.hpp"
#include "tests/support/shm_names.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

std::string big(char letter) { return std::string(300'000, letter); }

}  // namespace

TEST_CASE("Queue: a producer killed at any point of put leaves the item, or nothing, and a queue that works") {
  struct Case {
    const char* point;
    bool is_there;
  };
  const auto [point, is_there] =
      GENERATE(values<Case>({{"queue.put.before_commit", false}, {"queue.put.committed", true}, {"queue.put.before_wake", true}}));
  CAPTURE(point);
  const Queue<std::string> queue(3);
  queue.put("first");
  test::die_at(point, [&] { queue.put("second"); });
  REQUIRE(queue.qsize() == (is_there ? 2 : 1));
  queue.put("third");
  REQUIRE(queue.get() == "first");
  if (is_there) REQUIRE(queue.get() == "second");
  REQUIRE(queue.get() == "third");
  REQUIRE(queue.empty());
}

TEST_CASE("Queue: killed in put_many or get_many, all of a batch is there, or nothing") {
  std::vector<int> batch(1000);
  std::iota(batch.begin(), batch.end(), 0);
  const Queue<int> queue;
  test::die_at("queue.put.before_commit", [&] { queue.put_many(batch); });
  REQUIRE(queue.empty());
  test::die_at("queue.put.committed", [&] { queue.put_many(batch); });
  REQUIRE(queue.qsize() == batch.size());
  test::die_at("queue.get.before_commit", [&] { queue.get_many(600); });
  REQUIRE(queue.qsize() == batch.size());
  test::die_at("queue.get.committed", [&] { queue.get_many(600); });
  REQUIRE(queue.get_many(1000) == std::vector<int>(batch.begin() + 600, batch.end()));
}

TEST_CASE("Queue: a consumer killed at any point of get takes the item, or leaves it, and a queue that works") {
  struct Case {
    const char* point;
    bool is_there;
  };
  const auto [point, is_there] =
      GENERATE(values<Case>({{"queue.get.before_commit", true}, {"queue.get.committed", false}, {"queue.get.before_wake", false}}));
  CAPTURE(point);
  const Queue<int> queue(2);
  queue.put(1);
  queue.put(2);
  test::die_at(point, [&] { queue.get(); });
  REQUIRE(queue.qsize() == (is_there ? 2 : 1));
  REQUIRE(queue.full() == is_there);
  if (is_there) REQUIRE(queue.get() == 1);
  queue.put(3);
  REQUIRE(queue.get() == 2);
  REQUIRE(queue.get() == 3);
}

TEST_CASE("Queue: who sleeps learns of an item, or of room, whose giver was killed before the wake") {
  const Queue<int> queue(1);
  const auto* point = GENERATE("queue.put.committed", "queue.put.before_wake", "wake_one.before_wake");
  CAPTURE(point);
  test::ForkedChild consumer([&] { return queue.get(); });
  test::wait_until_asleep(consumer.pid());
  test::die_at(point, [&] { queue.put(5); });
  REQUIRE(consumer.wait() == 5);

  queue.put(6);
  test::ForkedChild producer([&] { queue.put(7); });
  test::wait_until_asleep(producer.pid());
  test::die_at("queue.get.committed", [&] { queue.get(); });
  REQUIRE(producer.wait() == 0);
  REQUIRE(queue.get() == 7);
}

TEST_CASE("Queue: a waiter killed asleep, or just woken, keeps no item from the others") {
  const Queue<int> queue;
  const auto* point = GENERATE("event_count.before_sleep", "wake_one.woken");
  CAPTURE(point);
  test::ForkedChild first([&] {
    base::arm_kill_point(point);
    queue.get();
  });
  if (point == std::string_view("wake_one.woken")) {
    test::wait_until_asleep(first.pid());
  } else {
    REQUIRE(first.wait() == -SIGKILL);
  }
  test::ForkedChild second([&] { return queue.get(); });
  test::wait_until_asleep(second.pid());
  queue.put(5);
  REQUIRE(second.wait() == 5);
}

TEST_CASE("Queue: killed while the ring grows or shrinks, at any step, nothing is lost") {
  const auto* point = GENERATE("queue.resize.before_copy", "queue.resize.before_commit", "queue.resize.committed");
  CAPTURE(point);
  const Queue<std::string> queue;
  // So that the contents wrap.
  queue.put(std::string(200'000, 'x'));
  queue.put(std::string(50'000, 'a'));
  queue.get();
  queue.put(std::string(100'000, 'b'));
  test::die_at(point, [&] { queue.put(big('c')); });
  REQUIRE(queue.qsize() == 2);
  queue.put(big('d'));
  REQUIRE(queue.get() == std::string(50'000, 'a'));
  REQUIRE(queue.get() == std::string(100'000, 'b'));
  REQUIRE(queue.get() == big('d'));

  for (int i = 0; i < 40; ++i) queue.put(big(static_cast<char>('a' + i)));
  test::die_at("queue.resize.before_commit", [&] {
    for (;;) queue.get_nowait();
  });
  const auto left = queue.qsize();
  REQUIRE(left > 0);
  for (std::size_t i = 40 - left; i < 40; ++i) REQUIRE(queue.get() == big(static_cast<char>('a' + i)));
}

TEST_CASE("Queue: killed while the ring shrinks, its contents are all there") {
  const auto* point =
      GENERATE("queue.resize.before_copy", "queue.resize.before_commit", "queue.resize.committed", "queue.resize.discarded");
  CAPTURE(point);
  const Queue<std::string> queue;
  for (int i = 0; i < 40; ++i) queue.put(big(static_cast<char>('a' + i)));
  test::die_at(point, [&] {
    for (;;) queue.get_nowait();
  });
  const auto left = queue.qsize();
  for (std::size_t i = 40 - left; i < 40; ++i) REQUIRE(queue.get() == big(static_cast<char>('a' + i)));
  queue.put("after");
  REQUIRE(queue.get() == "after");
}

TEST_CASE("Queue: descriptors go to the right item whatever died between them and it") {
  const Queue<std::pair<int, Fd>> queue;
  const auto put = [&](int number) { queue.put({number, os::make_memfd("x", static_cast<std::size_t>(number))}); };
  const auto check = [&](int number) {
    const auto [got, fd] = queue.get();
    REQUIRE(got == number);
    REQUIRE(os::file_facts(fd.get()).size == static_cast<std::size_t>(number));
  };
  put(1);
  test::die_at("queue.put.fds_sent", [&] { put(100); });
  put(2);
  test::die_at("queue.put.before_commit", [&] { put(101); });
  put(3);
  test::die_at("queue.get.before_commit", [&] { queue.get(); });
  check(1);
  put(4);
  test::die_at("queue.get.committed", [&] { queue.get(); });
  check(3);
  check(4);
  REQUIRE(queue.empty());
}

TEST_CASE("Queue: whoever dies ringing or muting, its descriptor is readable while there is something, and can be muted") {
  const test::UniqueName name;
  const bool named = GENERATE(false, true);
  CAPTURE(named);
  const auto queue = named ? Queue<int>::create(name) : Queue<int>();
  const int fd = queue.fileno();
  const auto readable = [&] { return os::wait_readable(fd, detail::Deadline::expired_already()); };
  REQUIRE_FALSE(readable());
  test::die_at("queue.bell.rung", [&] { queue.put(1); });
  REQUIRE(queue.try_get() == std::nullopt);
  REQUIRE_FALSE(readable());
  test::die_at("queue.put.committed", [&] { queue.put(2); });
  REQUIRE(readable());
  test::die_at("queue.bell.before_mute", [&] { queue.get(); });
  REQUIRE(queue.try_get() == std::nullopt);
  REQUIRE_FALSE(readable());
  queue.put(3);
  REQUIRE(readable());
  REQUIRE(queue.get() == 3);
  REQUIRE_FALSE(readable());
}

TEST_CASE("Queue: killed in the middle of shutdown, the queue is down for the others") {
  const Queue<int> queue;
  queue.put(1);
  test::ForkedChild consumer([&] {
    int count = 0;
    for ([[maybe_unused]] const int item : queue) ++count;
    return count;
  });
  test::wait_until([&] { return queue.empty(); });
  test::wait_until_asleep(consumer.pid());
  test::die_at("queue.shut_down.stored", [&] { queue.shutdown(); });
  REQUIRE(consumer.wait() == 1);
  REQUIRE_THROWS_AS(queue.put(1), ShutDown);
}

TEST_CASE("JoinableQueue: killed before it says that all is done, it is known within a moment") {
  const JoinableQueue<int> queue;
  queue.put(1);
  test::ForkedChild waiter([&] { queue.join(); });
  test::wait_until_asleep(waiter.pid());
  test::die_at("queue.item_done.before_wake", [&] {
    queue.get();
    queue.task_done();
  });
  REQUIRE(waiter.wait() == 0);
}

TEST_CASE("JoinableQueue: join does not wait for what the dead had in hand, wherever they died") {
  const auto* point = GENERATE("queue.get.before_commit", "queue.get.committed", "queue.hand.before_taken", "queue.hand.taken",
                               "queue.get.before_wake", "queue.item_done.before_wake");
  CAPTURE(point);
  const JoinableQueue<int> queue;
  for (int i = 0; i < 3; ++i) queue.put(i);
  test::die_at(point, [&] {
    queue.get();
    queue.task_done();
  });
  const bool left = point == std::string_view("queue.get.before_commit");
  REQUIRE(queue.qsize() == (left ? 3 : 2));
  REQUIRE(queue.get() == (left ? 0 : 1));
  queue.task_done();
  REQUIRE(queue.get() == (left ? 1 : 2));
  queue.task_done();
  if (left) {
    REQUIRE_FALSE(queue.join(0s));
    REQUIRE(queue.get() == 2);
    REQUIRE_FALSE(queue.join(1ms));
    queue.task_done();
  }
  queue.join();
  REQUIRE_THROWS_AS(queue.task_done(), std::invalid_argument);
  // A process that only joins finds out, too.
  queue.put(9);
  test::die_at("queue.get.committed", [&] { queue.get(); });
  test::die_at("queue.hand.before_burial", [&] { queue.join(); });
  queue.join();
}

TEST_CASE("JoinableQueue: what a living process has in hand is waited for, in other processes' stead as well") {
  const JoinableQueue<int> queue;
  queue.put(1);
  queue.put(2);
  test::ForkedChild holder([&] {
    queue.get();
    queue.get();
    for (;;) std::this_thread::sleep_for(1h);
  });
  test::wait_until([&] { return queue.empty(); });
  REQUIRE_FALSE(queue.join(300ms));
  queue.task_done();  // Done here for the other one.
  queue.put(3);
  holder.kill();
  holder.wait();
  REQUIRE_FALSE(queue.join(300ms));
  REQUIRE(queue.get() == 3);
  queue.task_done();
  queue.join();
  // Those who end in order with items in hand are no better.
  queue.put(4);
  REQUIRE(test::ForkedChild([&] { queue.get(); }).wait() == 0);
  queue.join();
}
