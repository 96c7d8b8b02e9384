#include <ipc/queue.hpp>

#include <ctime>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>

#include "ipc/os/memfd.hpp"
#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/picky.hpp"
#include "tests/support/shared.hpp"

using namespace std::chrono_literals;
using namespace ipc;
using ipc::test::Picky;

TEST_CASE("Queue: items of all kinds come out as they went in, in order") {
  const Queue<int> numbers;
  for (int i = 0; i < 1000; ++i) numbers.put(i);
  REQUIRE(numbers.qsize() == 1000);
  for (int i = 0; i < 1000; ++i) REQUIRE(numbers.get() == i);

  const Queue<std::string> texts;
  texts.put("");
  texts.put("short");
  texts.put(std::string(300'000, 'x'));
  REQUIRE(texts.get().empty());
  REQUIRE(texts.get() == "short");
  REQUIRE(texts.get() == std::string(300'000, 'x'));

  const Queue<std::map<std::string, std::vector<double>>> maps;
  maps.put({{"a", {1, 2}}, {"b", {}}});
  REQUIRE(maps.get().at("a") == std::vector<double>{1, 2});
  REQUIRE(maps.empty());
}

TEST_CASE("Queue: maxsize counts items exactly; every way to put says that it is full") {
  const Queue<int> queue(2);
  queue.put(1);
  REQUIRE_FALSE(queue.full());
  REQUIRE(queue.try_put(2));
  REQUIRE(queue.full());
  REQUIRE_FALSE(queue.try_put(3));
  REQUIRE_FALSE(queue.try_put_for(3, 1ms));
  REQUIRE_THROWS_AS(queue.put_nowait(3), Full);
  REQUIRE_THROWS_AS(queue.put(3, 1ms), Full);
  REQUIRE_THROWS_AS(queue.put(3, -1s), Full);
  REQUIRE(queue.qsize() == 2);
  REQUIRE(queue.get() == 1);
  queue.put(4, 1h);
  REQUIRE(queue.get() == 2);
  REQUIRE(queue.get() == 4);
}

TEST_CASE("Queue: every way to get says that it is empty") {
  const Queue<std::string> queue;
  REQUIRE(queue.empty());
  REQUIRE(queue.try_get() == std::nullopt);
  REQUIRE(queue.try_get_for(1ms) == std::nullopt);
  REQUIRE_THROWS_AS(queue.get_nowait(), Empty);
  REQUIRE_THROWS_AS(queue.get(1ms), Empty);
  REQUIRE_THROWS_AS(queue.get(0s), Empty);
  REQUIRE(queue.get_many(5, 1ms).empty());
  queue.put("x");
  REQUIRE(queue.get(1h) == "x");
}

TEST_CASE("Queue: put_many and get_many keep the order and the limit") {
  const Queue<int> queue;
  std::vector<int> numbers(5000);
  std::iota(numbers.begin(), numbers.end(), 0);
  queue.put_many(numbers);
  REQUIRE(queue.qsize() == 5000);
  REQUIRE(queue.get_many(3) == std::vector<int>{0, 1, 2});
  const auto rest = queue.get_many(1'000'000);
  REQUIRE(rest.size() == 4997);
  REQUIRE(rest.front() == 3);
  REQUIRE(std::is_sorted(rest.begin(), rest.end()));
  queue.put_many({7, 8});
  REQUIRE(queue.get_many(3) == std::vector<int>{7, 8});

  const Queue<std::string> texts(10);
  test::ForkedChild producer([&] { texts.put_many(std::vector<const char*>(100, "text")); });
  std::size_t count = 0;
  while (count < 100) {
    const auto some = texts.get_many(7);
    REQUIRE_FALSE(some.empty());
    REQUIRE(some.size() <= 7);
    count += some.size();
  }
  REQUIRE(producer.wait() == 0);
}

TEST_CASE("Queue: an item that cannot be encoded is thrown to who puts it, and the queue goes on") {
  const Queue<Picky> queue(1);
  REQUIRE_THROWS_AS(queue.put({13}), std::domain_error);
  REQUIRE(queue.empty());
  queue.put({1});
  REQUIRE(queue.get().value == 1);
  const Queue<Picky> many;
  REQUIRE_THROWS_AS(many.put_many(std::vector<Picky>{{1}, {2}, {13}, {3}}), std::domain_error);
  REQUIRE(many.get_many(10).size() == 2);
}

TEST_CASE("Queue: what happens to the object after put is not seen") {
  const Queue<std::vector<int>> queue;
  std::vector<int> value{1, 2, 3};
  queue.put(value);
  value[0] = 9;
  REQUIRE(queue.get() == std::vector<int>{1, 2, 3});
}

TEST_CASE("Queue: shutdown drains, then throws; those that wait are told") {
  const Queue<int> queue(2);
  queue.put(1);
  queue.put(2);
  test::ForkedChild producer([&] {
    try {
      queue.put(3);
    } catch (const ShutDown&) {
      return 7;
    }
    return 0;
  });
  test::wait_until_asleep(producer.pid());
  queue.shutdown();
  REQUIRE(producer.wait() == 7);
  REQUIRE_THROWS_AS(queue.put(4), ShutDown);
  REQUIRE_THROWS_AS(queue.try_put(4), ShutDown);
  REQUIRE(queue.get() == 1);
  REQUIRE(queue.get_nowait() == 2);
  REQUIRE_THROWS_AS(queue.get(), ShutDown);
  REQUIRE_THROWS_AS(queue.try_get(), ShutDown);
  REQUIRE_THROWS_AS(queue.get_many(3), ShutDown);

  const Queue<int> waited_for;
  test::ForkedChild consumer([&] {
    try {
      waited_for.get();
    } catch (const ShutDown&) {
      return 7;
    }
    return 0;
  });
  test::wait_until_asleep(consumer.pid());
  waited_for.shutdown();
  REQUIRE(consumer.wait() == 7);

  const Queue<int> thrown_away;
  thrown_away.put(1);
  thrown_away.shutdown(true);
  REQUIRE(thrown_away.empty());
  REQUIRE_THROWS_AS(thrown_away.get(), ShutDown);
}

TEST_CASE("Queue: a loop over it ends when it has been shut down and drained") {
  const Queue<std::string> queue;
  test::ForkedChild consumer([&] {
    int count = 0;
    for (std::string item : queue) count += static_cast<int>(item.size());
    return count;
  });
  queue.put("abc");
  queue.put("de");
  queue.shutdown();
  REQUIRE(consumer.wait() == 5);
  int none = 0;
  for ([[maybe_unused]] const auto& item : queue) ++none;
  REQUIRE(none == 0);
}

TEST_CASE("Queue: close is for this process, and its every handle") {
  const Queue<int> queue;
  queue.put(1);
  const Queue<int> copy = queue;
  test::ForkedChild child([&] {
    queue.close();
    return copy.closed() ? 3 : 4;
  });
  REQUIRE(child.wait() == 3);
  REQUIRE_FALSE(queue.closed());
  queue.close();
  queue.close();
  REQUIRE(copy.closed());
  REQUIRE_THROWS_AS(copy.put(2), UsageError);
  REQUIRE_THROWS_AS(copy.get(), UsageError);
  REQUIRE_THROWS_AS(copy.empty(), UsageError);
  REQUIRE_THROWS_AS(copy.qsize(), UsageError);
}

TEST_CASE("Queue: close ends the waits of this process") {
  const Queue<int> queue;
  bool told = false;
  std::thread waiter([&] {
    try {
      queue.get();
    } catch (const UsageError&) {
      told = true;
    }
  });
  queue.close();
  waiter.join();
  REQUIRE(told);
}

TEST_CASE("Queue: who waits for an item, or for room, costs no processor time beyond the first moment") {
  const Queue<int> empty;
  const Queue<int> full(1);
  full.put(1);
  const auto idles = [](const auto& wait) {
    return test::ForkedChild([&] {
      const std::clock_t before = std::clock();  // Of the processor.
      wait();
      return (std::clock() - before) * 20 < CLOCKS_PER_SEC ? 0 : 1;
    });
  };
  auto consumer = idles([&] { static_cast<void>(empty.try_get_for(500ms)); });
  auto producer = idles([&] { static_cast<void>(full.try_put_for(2, 500ms)); });
  REQUIRE(consumer.wait() == 0);
  REQUIRE(producer.wait() == 0);
}

TEST_CASE("Queue: a producer may end at once, however much it has put") {
  const Queue<std::string> queue;
  test::ForkedChild producer([&] {
    for (int i = 0; i < 50; ++i) queue.put(std::string(70'000, static_cast<char>('a' + i % 26)));
  });
  REQUIRE(producer.wait() == 0);
  REQUIRE(queue.qsize() == 50);
  for (int i = 0; i < 50; ++i) REQUIRE(queue.get() == std::string(70'000, static_cast<char>('a' + i % 26)));
}

TEST_CASE("Queue: empty tells the truth right after put and get") {
  const Queue<int> queue;
  for (int i = 0; i < 500; ++i) {
    queue.put(i);
    REQUIRE_FALSE(queue.empty());
    REQUIRE(queue.get_nowait() == i);
    REQUIRE(queue.empty());
  }
}

TEST_CASE("Queue: an item larger than the ring makes it grow, also where the ring wraps") {
  const Queue<std::string> queue;
  for (std::size_t size = 1; size < 3'000'000; size = size * 3 / 2 + 7) {
    queue.put("before");
    queue.put(std::string(size, 'x'));
    queue.put("after");
    REQUIRE(queue.get() == "before");
    REQUIRE(queue.get().size() == size);
    REQUIRE(queue.get() == "after");
  }
}

TEMPLATE_TEST_CASE("Queue: many producers and consumers: each item once, in each producer's order", "", test::Threads, test::Processes) {
  constexpr int sides = 3;
  constexpr std::int64_t each = 20'000;
  const auto maxsize = GENERATE(0, 1, 64);
  CAPTURE(maxsize);
  const Queue<std::pair<int, std::int64_t>> queue(maxsize);
  const auto counters = test::make_counters();
  TestType::run(2 * sides, [&](int index) {
    if (index < sides) {
      for (std::int64_t i = 0; i < (maxsize == 1 ? each / 10 : each); ++i) queue.put({index, i});
      if (++(*counters)[0] == sides) queue.shutdown();
      return;
    }
    std::array<std::int64_t, sides> last{-1, -1, -1};
    for (const auto& [producer, number] : queue) {
      test::require(number > last.at(static_cast<std::size_t>(producer)), "items of one producer come in its order");
      last.at(static_cast<std::size_t>(producer)) = number;
      ++(*counters)[1];
      (*counters)[2] += number;
    }
  });
  const std::int64_t n = maxsize == 1 ? each / 10 : each;
  REQUIRE((*counters)[1] == sides * n);
  REQUIRE((*counters)[2] == sides * n * (n - 1) / 2);
}

TEST_CASE("JoinableQueue: join waits for everything that was put to be done") {
  const JoinableQueue<int> queue;
  REQUIRE(queue.join(0s));
  for (int i = 0; i < 10; ++i) queue.put(i);
  REQUIRE_FALSE(queue.join(1ms));
  test::ForkedChild worker([&] {
    for (int i = 0; i < 10; ++i) {
      queue.get();
      queue.task_done();
    }
  });
  queue.join();
  REQUIRE(queue.empty());
  REQUIRE(worker.wait() == 0);
  REQUIRE_THROWS_AS(queue.task_done(), std::invalid_argument);
  queue.put(1);
  queue.shutdown(true);
  queue.join();
}

TEST_CASE("Queue: a handle travels, and is the same queue") {
  const Queue<int> queue(3);
  queue.put(1);
  const auto again = test::from_message<Queue<int>>(test::to_message(queue));
  REQUIRE(again == queue);
  REQUIRE(again.get() == 1);
  REQUIRE_THROWS_AS(test::from_message<Queue<long>>(test::to_message(queue)), EncodingError);
  REQUIRE_THROWS_AS(test::from_message<Queue<std::string>>(test::to_message(queue)), EncodingError);
  REQUIRE_THROWS_AS(test::from_message<JoinableQueue<int>>(test::to_message(queue)), EncodingError);
}

TEST_CASE("Queue: queues, descriptors and locks in a queue arrive, though their sender has ended") {
  const Queue<Queue<std::string>> queues;
  REQUIRE(test::ForkedChild([&] {
            const Queue<std::string> inner;
            inner.put("from inside");
            queues.put(inner);
          }).wait() == 0);
  REQUIRE(queues.get().get() == "from inside");

  const Queue<std::pair<int, Fd>> files;
  for (int i = 0; i < 40; ++i) {
    REQUIRE(files.try_put({i, Fd(os::make_memfd("x", 10).release())}));
  }
  for (int i = 0; i < 40; ++i) {
    const auto [number, fd] = files.get();
    REQUIRE(number == i);
    REQUIRE(os::file_facts(fd.get()).size == 10);
  }
}
