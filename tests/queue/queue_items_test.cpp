// Items of all sizes and kinds, one by one and many at a time.
#include <ipc/queue.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include <ipc/event.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/fork_child.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

/// Cannot be made of nothing.
struct Numbered {
  explicit Numbered(int n) : number(n) {}
  int number;
};

template <std::size_t size>
using Block = std::array<unsigned char, size>;

/// Number `n`: each of its bytes is another one than that of its neighbours, as far as there are bytes.
template <std::size_t size>
Block<size> block(std::size_t n) {
  Block<size> one;
  for (std::size_t i = 0; i < size; ++i) one.at(i) = static_cast<unsigned char>(n * 31 + i * 7);
  return one;
}

/// Puts and takes, now one, now many, so that the ring grows, wraps everywhere and shrinks; asks for each item in its turn.
template <std::size_t size>
void pass_blocks(std::size_t count) {
  const Queue<Block<size>> queue;
  std::size_t put = 0;
  std::size_t got = 0;
  for (std::size_t step = 1; got < count; ++step) {
    if (step % 3 == 0) {
      queue.put(block<size>(put++));
    } else {
      std::vector<Block<size>> some;
      for (std::size_t i = 0; i < step * 13 % 97; ++i) some.push_back(block<size>(put++));
      queue.put_many(some);
    }
    const std::size_t left = step * 11 % 50;
    while (queue.qsize() > left) {
      if (step % 2 == 0) {
        if (queue.get() != block<size>(got++)) FAIL("item " << got - 1 << " of " << size << " bytes");
      } else {
        for (const auto& one : queue.get_many(queue.qsize() - left))
          if (one != block<size>(got++)) FAIL("item " << got - 1 << " of " << size << " bytes");
      }
    }
  }
  REQUIRE(queue.qsize() == put - got);
}

template <class T>
void passes(const T& item) {
  const Queue<T> queue;
  queue.put(item);
  queue.put_many(std::vector<T>{item, item});
  REQUIRE(queue.get() == item);
  REQUIRE(queue.get_many(9) == std::vector<T>{item, item});
}

/// Does something once when it is decoded.
struct Nosy {
  static inline std::function<void()> when_decoded;
  Event event;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& event;
    if (Archive::is_loading::value && when_decoded) std::exchange(when_decoded, nullptr)();
  }
};

}  // namespace

TEST_CASE("Queue: items of one size lie in a row, whether they fill it or not") {
  pass_blocks<1>(60'000);
  pass_blocks<16>(60'000);
  pass_blocks<40>(30'000);
  pass_blocks<64>(30'000);
  pass_blocks<300'000>(40);
}

TEST_CASE("Queue: whatever can be sent can be in a queue") {
  passes(true);
  passes('x');
  passes(3.25);
  passes(250ms);
  passes(std::chrono::system_clock::time_point(5s));
  passes(std::string("text"));
  passes(std::u16string(u"text"));
  passes(std::vector<std::byte>{std::byte(1), std::byte(0)});
  passes(std::vector<bool>{true, false, true});
  passes(std::vector<std::string>{"a", ""});
  passes(std::pair<int, std::string>(1, "one"));
  passes(std::tuple<int, std::string, std::vector<double>>(1, "one", {1, 2}));
  passes(std::tuple<int, double>(1, 2.5));
  passes(std::optional<int>());
  passes(std::optional<std::string>("there"));
  passes(std::variant<int, std::string>("text"));
  passes(std::list<std::string>{"a", "b"});
}

TEST_CASE("Queue: put_many takes every kind of range") {
  const Queue<int> queue;
  const std::vector<int> expected{0, 1, 2, 3, 4};
  const auto check = [&] { REQUIRE(queue.get_many(100) == expected); };
  queue.put_many(std::vector<int>{});
  REQUIRE(queue.empty());
  queue.put_many(expected);
  check();
  queue.put_many(std::span(expected));
  check();
  queue.put_many(std::array<int, 5>{0, 1, 2, 3, 4});
  check();
  queue.put_many(std::list<int>{0, 1, 2, 3, 4});
  check();
  queue.put_many(std::deque<short>{0, 1, 2, 3, 4});
  check();
  queue.put_many(std::views::iota(0, 5));
  check();
  queue.put_many(expected | std::views::transform([](int x) { return static_cast<short>(x); }));
  check();

  const Queue<bool> bits;
  bits.put_many(std::vector<bool>{true, false, true});
  REQUIRE(bits.get_many(2) == std::vector<bool>{true, false});
  REQUIRE(bits.get());
}

TEST_CASE("Queue: items that cannot be made of nothing") {
  const Queue<Numbered> queue;
  queue.put_many(std::vector<Numbered>{Numbered(1), Numbered(2), Numbered(3)});
  REQUIRE(queue.get().number == 1);
  const auto rest = queue.get_many(5);
  REQUIRE(rest.size() == 2);
  REQUIRE(rest.back().number == 3);
}

TEST_CASE("Queue: a range that fails on the way has put what came before") {
  const auto fails_at_3 = std::views::iota(0, 10) | std::views::transform([](int x) {
                            if (x == 3) throw std::domain_error("3");
                            return x;
                          });
  const Queue<int> numbers;
  REQUIRE_THROWS_AS(numbers.put_many(fails_at_3), std::domain_error);
  REQUIRE(numbers.get_many(10) == std::vector<int>{0, 1, 2});
  const Queue<std::string> texts;
  REQUIRE_THROWS_AS(texts.put_many(fails_at_3 | std::views::transform([](int x) { return std::to_string(x); })), std::domain_error);
  REQUIRE(texts.get_many(10) == std::vector<std::string>{"0", "1", "2"});
}

TEST_CASE("Queue: put_many of more than maxsize waits for room again and again; of more than the first ring makes it grow") {
  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0);
  const Queue<int> narrow(7);
  test::ForkedChild producer([&] { narrow.put_many(numbers); });
  std::vector<int> got;
  while (got.size() < numbers.size()) {
    REQUIRE(narrow.qsize() <= 7);
    const auto some = narrow.get_many(3);
    REQUIRE(some.size() <= 3);
    got.insert(got.end(), some.begin(), some.end());
  }
  REQUIRE(got == numbers);
  REQUIRE(producer.wait() == 0);

  numbers.resize(500'000, 5);
  const Queue<int> wide;
  wide.put_many(numbers);
  REQUIRE(wide.qsize() == numbers.size());
  REQUIRE(wide.get_many(1'000'000) == numbers);
}

TEST_CASE("Queue: get_many of none takes none, and waits for none") {
  const Queue<int> queue;
  REQUIRE(queue.get_many(0).empty());
  queue.put(1);
  REQUIRE(queue.get_many(0).empty());
  REQUIRE(queue.get_many(static_cast<std::size_t>(-1)) == std::vector<int>{1});
  REQUIRE(queue.get_many(5, 0s).empty());
  REQUIRE(queue.get_many(5, -1s).empty());
}

TEST_CASE("Queue: get_many returns what it has taken, though the queue is closed meanwhile") {
  const Queue<Nosy> queue;
  queue.put_many(std::vector<Nosy>(3));
  Nosy::when_decoded = [&] { queue.close(); };
  REQUIRE(queue.get_many(3).size() == 1);  // Each that has a handle is taken by itself.
  REQUIRE_THROWS_AS(queue.get_many(3), UsageError);
}

TEST_CASE("Queue: several that empty a queue which has been shut down lose nothing") {
  for (int round = 0; round < 40; ++round) {
    const JoinableQueue<Event> queue;
    queue.put_many(std::vector<Event>(50));
    queue.shutdown();
    std::atomic<std::size_t> taken{0};
    test::Threads::run(2, [&](int) {
      try {
        for (;;) {
          const std::size_t some = queue.get_many(1000).size();
          taken += some;
          for (std::size_t i = 0; i < some; ++i) queue.task_done();
        }
      } catch (const ShutDown&) {
      }
    });
    REQUIRE(taken == 50);
    REQUIRE(queue.join(0s));
  }
}

TEST_CASE("Queue: a loop takes items that cannot be assigned") {
  const Queue<std::pair<const std::string, int>> entries;
  entries.put_many(std::map<std::string, int>{{"a", 1}, {"b", 2}});
  entries.shutdown();
  std::map<std::string, int> got;
  for (const auto& [key, value] : entries) got.emplace(key, value);
  REQUIRE(got == std::map<std::string, int>{{"a", 1}, {"b", 2}});
  static_assert(std::ranges::input_range<const Queue<std::pair<const std::string, int>>>);
  static_assert(std::ranges::input_range<const Queue<std::unique_ptr<int>>>);
}

TEST_CASE("Queue: a view of so many items takes no more than these") {
  const Queue<int> queue;
  queue.put_many({1, 2, 3, 4});
  std::vector<int> got;
  for (const int x : queue | std::views::take(3)) got.push_back(x);
  REQUIRE(got == std::vector<int>{1, 2, 3});
  REQUIRE(queue.get_nowait() == 4);
  queue.put_many({5, 6, 7});
  for (const int x : queue | std::views::drop(1) | std::views::take(1)) got.push_back(x);
  REQUIRE(got.back() == 6);
  auto next = queue.begin();
  ++next;  // Past an item that nobody has looked at.
  REQUIRE(queue.empty());
  queue.put(8);
  REQUIRE(*next == 8);
  queue.shutdown();
  ++next;
  REQUIRE(next == queue.end());
}
