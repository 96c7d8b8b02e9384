// Lazy maps, and ranges of every kind: endless, empty, throwing.

#include <ipc/pool.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ipc/progress.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::Pool;
using namespace ipc::test;

namespace {

/// A range whose iteration throws at `bad`, or at once for -1.
struct Throwing {
  int size;
  int bad;
  struct iterator {
    const Throwing* range;
    int at;
    int operator*() const {
      if (at == range->bad) throw std::runtime_error("the input is broken");
      return at;
    }
    iterator& operator++() {
      ++at;
      return *this;
    }
    bool operator!=(const iterator& other) const { return at != other.at; }
  };
  iterator begin() const {
    if (bad == -1) throw std::runtime_error("the input is broken");
    return {this, 0};
  }
  iterator end() const { return {this, size}; }
};

}  // namespace

TEST_CASE("pool: imap keeps the order and imap_unordered gives each result once") {
  Pool pool(3);
  const std::size_t chunksize = GENERATE(0, 1, 7, 100);
  std::vector<int> in_order;
  for (int v : pool.imap(square, numbers(200), {.chunksize = chunksize})) in_order.push_back(v);
  CHECK(in_order == squares(200));
  std::multiset<int> any_order;
  for (int v : pool.imap_unordered(square, numbers(200), {.chunksize = chunksize})) any_order.insert(v);
  const auto expected = squares(200);
  CHECK(any_order == std::multiset<int>(expected.begin(), expected.end()));
}

TEST_CASE("pool: imap goes on after an element that threw, and says which it was") {
  Pool pool(2);
  const std::size_t chunksize = GENERATE(1, 4);
  const bool ordered = GENERATE(true, false);
  std::set<std::size_t> positions;
  int failures = 0;
  const auto collect = [&](auto results) {
    for (;;) {
      try {
        if (!results.next()) break;
      } catch (const std::invalid_argument&) {
        ++failures;
        CHECK(results.index() == 3);
      }
      CHECK(positions.insert(results.index()).second);
    }
  };
  if (ordered)
    collect(pool.imap(refuse_three, numbers(10), {.chunksize = chunksize}));
  else
    collect(pool.imap_unordered(refuse_three, numbers(10), {.chunksize = chunksize}));
  CHECK(failures == 1);
  CHECK(positions.size() == 10);
}

TEST_CASE("pool: next of imap has a time-out") {
  Pool pool(1);
  auto results = pool.imap(for_ever, numbers(1));
  CHECK_THROWS_AS(results.next(10ms), ipc::TimeoutError);
}

TEST_CASE("pool: imap pulls its input lazily, so that an endless one works, and stops when it is given up") {
  struct Endless {
    struct iterator {
      using iterator_category = std::input_iterator_tag;
      using value_type = int;
      using difference_type = std::ptrdiff_t;
      using pointer = const int*;
      using reference = int;
      int at = 0;
      int operator*() const { return at; }
      iterator& operator++() {
        ++at;
        return *this;
      }
      void operator++(int) { ++at; }
      bool operator==(const iterator&) const { return false; }
      bool operator!=(const iterator&) const { return true; }
    };
    iterator begin() const { return {}; }
    iterator end() const { return {}; }
  };
  Pool pool(2);
  int taken = 0;
  for (int v : pool.imap(square, Endless{})) {
    CHECK(v == taken * taken);
    if (++taken == 1000) break;
  }
  CHECK(pool.apply(square, 2) == 4);
}

TEST_CASE("pool: imap of a pool that is closed meanwhile gives what was handed in, then says so, and ends") {
  Pool pool(2);
  auto results = pool.imap(square, numbers(100000));
  CHECK(results.next() == 0);
  pool.close();
  int given = 1;
  int refused = 0;
  for (;;) {
    try {
      const auto result = results.next();
      if (!result) break;
      CHECK(refused == 0);
      CHECK(*result == given * given);
      ++given;
    } catch (const ipc::UsageError&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
  CHECK(given < 100000);
  pool.join();
}

TEST_CASE("pool: imap does not keep results back for an input that takes its time") {
  struct Slow {
    struct iterator {
      using iterator_category = std::input_iterator_tag;
      using value_type = int;
      using difference_type = std::ptrdiff_t;
      using pointer = const int*;
      using reference = int;
      std::atomic<int>* taken;
      int at = 0;
      int operator*() const {
        // The tenth element comes only when the first result was seen.
        if (at == 10) taken->wait(0);
        std::this_thread::sleep_for(1ms);
        return at;
      }
      iterator& operator++() {
        ++at;
        return *this;
      }
      void operator++(int) { ++at; }
      bool operator==(const iterator& other) const { return at == other.at; }
      bool operator!=(const iterator& other) const { return at != other.at; }
    };
    std::atomic<int>* taken;
    iterator begin() const { return {taken}; }
    iterator end() const { return {taken, 20}; }
  };
  Pool pool(8);
  std::atomic<int> taken{0};
  int next = 0;
  for (const int y : pool.imap(square, Slow{&taken})) {
    CHECK(y == next * next);
    ++next;
    taken = 1;
  }
  CHECK(next == 20);
}

TEST_CASE("pool: a range that throws fails the call and not the pool") {
  Pool pool(2);
  const int bad = GENERATE(-1, 3, 7);
  const std::size_t chunksize = GENERATE(1, 2, 4);
  CHECK_THROWS_WITH(pool.map(square, Throwing{10, bad}, {.chunksize = chunksize}), "the input is broken");
  const auto collect = [&](auto make) {
    int seen = 0;
    bool broken = false;
    try {
      auto results = make();
      while (results.next()) ++seen;
    } catch (const std::runtime_error& e) {
      broken = std::string(e.what()) == "the input is broken";
    }
    CHECK(broken);
    return seen;
  };
  const int in_order = collect([&] { return pool.imap(square, Throwing{10, bad}, {.chunksize = chunksize}); });
  CHECK(in_order == std::max(bad, 0));
  collect([&] { return pool.imap_unordered(square, Throwing{10, bad}, {.chunksize = chunksize}); });
  CHECK(pool.map(square, numbers(10)) == squares(10));
}

TEST_CASE("pool: empty ranges give empty results at once") {
  Pool pool(2);
  const std::vector<int> none;
  CHECK(pool.map(square, none).empty());
  CHECK(pool.map(square, none, {.chunksize = 10}).empty());
  auto result = pool.map_async(square, none);
  CHECK(result.get().empty());
  CHECK(result.ready());
  for (int v : pool.imap(square, none)) FAIL("got " << v);
  for (int v : pool.imap_unordered(square, none)) FAIL("got " << v);
}

TEST_CASE("pool: progress wraps any loop and passes every element on") {
  std::vector<int> seen;
  for (int x : ipc::progress(numbers(5), 5, "numbers")) seen.push_back(x);
  CHECK(seen == numbers(5));
}
