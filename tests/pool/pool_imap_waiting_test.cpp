// Lazy maps over inputs that let them wait.

#include <ipc/pool.hpp>

#include <chrono>
#include <cstddef>
#include <iterator>
#include <set>
#include <thread>

#include <ipc/event.hpp>
#include <ipc/queue.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using namespace ipc::test;

namespace {

/// 0, 1, 2… for ever, each after some milliseconds. Counts those that were asked for.
struct Sleepy {
  struct iterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = int;
    using difference_type = std::ptrdiff_t;
    using pointer = const int*;
    using reference = int;
    int* asked;
    int operator*() const {
      std::this_thread::sleep_for(5ms);
      return (*asked)++;
    }
    iterator& operator++() { return *this; }
    void operator++(int) {}
    bool operator==(const iterator&) const { return false; }
  };
  int* asked;
  iterator begin() const { return {asked}; }
  iterator end() const { return {asked}; }
};

struct AfterEvent {
  ipc::Event go;
  int operator()(int x) const {
    go.wait();
    return x;
  }
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& go;
  }
};

}  // namespace

TEST_CASE("pool: imap asks a queue only for what is in it") {
  Pool pool(2);
  const std::size_t chunksize = GENERATE(1, 3);
  const ipc::Queue<int> queue;
  auto results = pool.imap(square, queue, {.chunksize = chunksize});
  CHECK_THROWS_AS(results.next(1ms), ipc::TimeoutError);
  for (int first = 0; first < 9; first += 3) {
    queue.put_many({first, first + 1, first + 2});
    for (int x = first; x < first + 3; ++x) CHECK(results.next() == x * x);
    CHECK_THROWS_AS(results.next(1ms), ipc::TimeoutError);
  }
  queue.put(9);
  queue.shutdown();
  CHECK(results.next() == 81);
  CHECK_FALSE(results.next());
}

TEST_CASE("pool: imap waits for a queue that fills later, and for its end") {
  Pool pool(2);
  const ipc::Queue<int> queue;
  std::jthread producer([&queue] {
    for (const int x : numbers(5)) {
      queue.put(x);
      std::this_thread::sleep_for(2ms);
    }
    queue.shutdown();
  });
  int next = 0;
  for (const int y : pool.imap(square, queue)) {
    CHECK(y == next * next);
    ++next;
  }
  CHECK(next == 5);
}

TEST_CASE("pool: a loop over imap_unordered may put more work into the queue") {
  Pool pool(2);
  const ipc::Queue<int> queue;
  queue.put(1);
  std::multiset<int> seen;
  for (const int y : pool.imap_unordered([](int x) { return x; }, queue)) {
    seen.insert(y);
    if (y < 4) {
      queue.put(y + 1);
      queue.put(y + 1);
    }
    if (seen.size() == 15) queue.shutdown();
  }
  CHECK(seen == std::multiset<int>{1, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4});
}

TEST_CASE("pool: imap pulls nothing that may have to be waited for before a result is asked for") {
  Pool pool(1);
  int asked = 0;
  auto results = pool.imap(square, Sleepy{&asked});
  CHECK(asked == 0);
  CHECK(results.next() == 0);
  CHECK(asked > 0);
}

TEST_CASE("pool: next of imap stops pulling at its deadline") {
  Pool pool(4);
  int asked = 0;
  auto results = pool.imap(for_ever, Sleepy{&asked});
  CHECK_THROWS_AS(results.next(1ms), ipc::TimeoutError);
  CHECK(asked == 1);
  CHECK_THROWS_AS(results.next(0ms), ipc::TimeoutError);
  CHECK(asked == 2);
}

TEST_CASE("pool: imap gives a result that is there before it asks a slow input for more") {
  Pool pool(1);
  int asked = 0;
  const ipc::Event go;
  auto results = pool.imap_unordered(AfterEvent{go}, Sleepy{&asked});
  CHECK_THROWS_AS(results.next(1ms), ipc::TimeoutError);
  go.set();
  CHECK(pool.apply(square, 2) == 4);  // The only worker has done the first element by now.
  CHECK(results.next() == 0);
  CHECK(asked == 1);
}
