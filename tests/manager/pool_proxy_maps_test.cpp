// The maps of managed pools: their inputs, chunks, and what becomes of elements that cannot be handed in.
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <numeric>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/picky.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Manager;
using ipc::test::Picky;
using Ints = std::vector<int>;

int square(int x) { return x * x; }
int product(int x, int y) { return x * y; }
int value_of(const Picky& picky) { return picky.value; }

/// 0, 1, 2, 3, with iterators that can do no more than a range-based for needs, and an end of another type.
struct Bare {
  struct End {};
  struct Iterator {
    int at;
    int operator*() const { return at; }
    Iterator& operator++() {
      ++at;
      return *this;
    }
    bool operator!=(End) const { return at != 4; }
  };
  Iterator begin() const { return {0}; }
  End end() const { return {}; }
};

/// What `next` gave for each element, in the order in which it came: the result, or -1 for a `Thrown`.
template <class Thrown, class Results>
std::vector<std::pair<std::size_t, int>> outcomes_of(Results& results) {
  std::vector<std::pair<std::size_t, int>> all;
  for (;;) {
    try {
      const auto result = results.next(60s);
      if (!result) return all;
      all.emplace_back(results.index(), *result);
    } catch (const Thrown&) {
      all.emplace_back(results.index(), -1);
    }
  }
}

std::vector<std::pair<std::size_t, int>> numbered(const Ints& values) {
  std::vector<std::pair<std::size_t, int>> all;
  for (const int value : values) all.emplace_back(all.size(), value);
  return all;
}

TEST_CASE("every map of a managed pool takes elements in braces") {
  const Manager m;
  const auto pool = m.Pool(2);
  CHECK(pool.map_async(square, {1, 2}).get() == Ints{1, 4});
  CHECK(pool.starmap(product, {std::pair(2, 3), std::pair(3, 4)}) == Ints{6, 12});
  CHECK(pool.starmap_async(product, {std::tuple(2, 5)}).get() == Ints{10});
  auto ordered = pool.imap(square, {1, 2, 3});
  CHECK(outcomes_of<std::exception>(ordered) == numbered({1, 4, 9}));
  int sum = 0;
  for (const int x : pool.imap_unordered(square, {1, 2, 3}, {.chunksize = 2})) sum += x;
  CHECK(sum == 14);
}

TEST_CASE("every map of a managed pool takes whatever a loop can go over") {
  const Manager m;
  const auto pool = m.Pool(2);
  CHECK(pool.map(square, Bare()) == Ints{0, 1, 4, 9});
  CHECK(pool.map(square, Bare(), {.progress = "bare"}) == Ints{0, 1, 4, 9});
  CHECK(pool.map_async(square, Bare()).get() == Ints{0, 1, 4, 9});
  auto results = pool.imap(square, Bare());
  CHECK(outcomes_of<std::exception>(results) == numbered({0, 1, 4, 9}));
}

TEST_CASE("a lazy map over a managed pool takes any chunk size") {
  const Manager m;
  const auto pool = m.Pool(2);
  for (const std::size_t chunksize : {std::size_t{2}, std::size_t{1} << 62, std::size_t{1} << 63, SIZE_MAX}) {
    auto results = pool.imap(square, Ints{1, 2, 3}, {.chunksize = chunksize});
    CHECK(outcomes_of<std::exception>(results) == numbered({1, 4, 9}));
  }
}

TEST_CASE("an element that cannot be encoded is an error in its place; those beside it have their results") {
  const Manager m;
  const auto pool = m.Pool(1);
  for (const std::size_t chunksize : {1U, 3U}) {
    for (const int bad : {0, 1, 20, 49}) {
      std::vector<Picky> input;
      Ints expected;
      for (int i = 0; i < 50; ++i) {
        const bool lost = i / static_cast<int>(chunksize) == bad / static_cast<int>(chunksize);
        input.push_back({i == bad ? 13 : 100 + i});
        expected.push_back(lost ? -1 : 100 + i);
      }
      auto ordered = pool.imap(value_of, input, {.chunksize = chunksize});
      CHECK(outcomes_of<std::domain_error>(ordered) == numbered(expected));
      auto unordered = pool.imap_unordered(value_of, input, {.chunksize = chunksize});
      auto outcomes = outcomes_of<std::domain_error>(unordered);
      std::sort(outcomes.begin(), outcomes.end());
      CHECK(outcomes == numbered(expected));
    }
  }
  auto hopeless = pool.imap(value_of, std::vector<Picky>(30, Picky{13}));
  CHECK(outcomes_of<std::domain_error>(hopeless) == numbered(Ints(30, -1)));
}

TEST_CASE("a result that cannot be decoded is an error in its place") {
  struct Fussy {
    int value = 0;
    void ipc_encode(ipc::detail::Writer& out) const { ipc::detail::encode(out, value); }
    static Fussy ipc_decode(ipc::detail::Reader& in) {
      const Fussy fussy{ipc::detail::decode<int>(in)};
      if (fussy.value == 3) throw std::domain_error("3");
      return fussy;
    }
  };
  const Manager m;
  const auto pool = m.Pool(1);
  auto results = pool.imap([](int x) { return Fussy{x}; }, Ints{1, 2, 3, 4});
  CHECK(results.next(60s).value().value == 1);
  CHECK(results.next(60s).value().value == 2);
  CHECK_THROWS_AS(results.next(60s), std::domain_error);
  CHECK(results.index() == 2);
  CHECK(results.next(60s).value().value == 4);
  CHECK_FALSE(results.next(60s));
}

TEST_CASE("when a managed pool is closed, a lazy map has the results of what was handed in, then errors, then its end") {
  const Manager m;
  for (const bool ordered : {true, false}) {
    const auto pool = m.Pool(1);
    Ints input(1000);
    std::iota(input.begin(), input.end(), 0);
    auto results = ordered ? pool.imap(square, input) : pool.imap_unordered(square, input);
    CHECK(results.next(60s) == 0);
    pool.close();
    const auto outcomes = outcomes_of<ipc::UsageError>(results);
    std::size_t good = 0;
    for (const auto& [index, value] : outcomes) good += value == square(static_cast<int>(index)) ? 1 : 0;
    CHECK(good >= 3);  // The pool had that many waiting.
    CHECK(outcomes.size() > good);
    CHECK(outcomes.size() < 100);
    CHECK_FALSE(results.next(60s));
    CHECK_THROWS_AS(pool.imap(square, input), ipc::UsageError);
    pool.join();
  }
}

TEST_CASE("a lazy map over a managed pool shows its progress") {
  auto [reader, writer] = ipc::Pipe(false);
  const Manager m;
  const auto pool = m.Pool(1);
  ipc::Process child([&, end = std::move(writer)]() mutable {
    int ends[2];
    if (::pipe(ends) != 0 || ::dup2(ends[1], STDERR_FILENO) == -1) return 1;
    for ([[maybe_unused]] const int x : pool.imap(square, {1, 2, 3}, {.progress = "squares"})) {
    }
    std::string text(1000, '\0');
    text.resize(static_cast<std::size_t>(::read(ends[0], text.data(), text.size())));
    end.send(text);
    return 0;
  });
  child.start();
  const auto text = reader.recv<std::string>();
  CHECK(text.starts_with("squares: 3 of 3 in "));
  child.join();
}

}  // namespace
