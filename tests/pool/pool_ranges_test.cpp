// What goes into maps and comes out of them: ranges and elements of every kind, those that can only be moved among them.

#include <ipc/pool.hpp>

#include <deque>
#include <list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/progress.hpp>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"

namespace ipc::test::found {

/// Has begin and end only beside it.
struct ThreeNumbers {
  std::vector<int> all{1, 2, 3};
};
inline auto begin(const ThreeNumbers& range) { return range.all.begin(); }
inline auto end(const ThreeNumbers& range) { return range.all.end(); }

}  // namespace ipc::test::found

using ipc::Connection;
using ipc::Pool;
using namespace ipc::test;

namespace {

using Entry = std::pair<const int, std::string>;
Entry entry_of(int x) {
  const std::map<int, std::string> table{{x, std::to_string(x)}};
  return *table.begin();
}
std::string text_of(const Entry& entry) { return entry.second; }
int take(std::unique_ptr<int> x) { return *x; }
int receive(Connection from) { return from.recv<int>(); }
int receive_more(int more, Connection from) { return from.recv<int>() + more; }

std::vector<std::unique_ptr<int>> pointers(int n) {
  std::vector<std::unique_ptr<int>> all;
  for (const int x : numbers(n)) all.push_back(std::make_unique<int>(x));
  return all;
}
/// The ends of pipes through which 0, 1, 2… come.
template <class Container>
Container connections(int n) {
  Container all;
  for (const int x : numbers(n)) {
    auto [receiver, sender] = ipc::Pipe(false);
    sender.send(x);
    all.push_back(std::move(receiver));
  }
  return all;
}
/// Has to be encoded, and so has everything beforehand.
struct IsNot {
  std::string wanted;
  bool operator()(bool b) const { return b != (wanted == "yes"); }
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& wanted;
  }
};
template <class Results>
auto collected(Results results) {
  std::vector<typename Results::value_type> all;
  for (auto& result : results) all.push_back(std::move(result));
  return all;
}

}  // namespace

TEST_CASE("pool: results and elements may have constant parts, as entries of maps have") {
  Pool pool(2);
  const std::vector<Entry> entries{{0, "0"}, {1, "1"}, {2, "2"}};
  CHECK(pool.map(entry_of, numbers(3)) == entries);
  CHECK(pool.map_async(entry_of, numbers(3)).get() == entries);
  CHECK(collected(pool.imap(entry_of, numbers(3))) == entries);
  CHECK(collected(pool.imap_unordered(entry_of, numbers(1))) == std::vector<Entry>{{0, "0"}});
  const std::vector<std::string> texts{"0", "1", "2"};
  CHECK(pool.map(text_of, entries) == texts);
  CHECK(pool.map_async(text_of, entries).get() == texts);
  CHECK(pool.map_async(text_of, std::vector<Entry>(entries)).get() == texts);
}

TEST_CASE("pool: every map takes a vector of bool") {
  Pool pool(2);
  const std::vector<bool> bits{true, false, true};
  const std::vector<bool> inverse{false, true, false};
  const auto invert = [](bool b) { return !b; };
  CHECK(pool.map(invert, bits) == inverse);
  CHECK(pool.map_async(invert, bits).get() == inverse);
  CHECK(collected(pool.imap(invert, bits, {.chunksize = 2})) == inverse);
  CHECK(collected(pool.imap(invert, std::vector<bool>(bits))) == inverse);
  CHECK(pool.map(IsNot{"yes"}, bits) == inverse);
  CHECK(collected(pool.imap(IsNot{"yes"}, bits, {.chunksize = 2})) == inverse);
}

TEST_CASE("pool: maps take ranges as a loop does, with begin and end beside them") {
  Pool pool(2);
  const std::vector<int> expected{1, 4, 9};
  CHECK(pool.map(square, found::ThreeNumbers()) == expected);
  CHECK(pool.map_async(square, found::ThreeNumbers()).get() == expected);
  CHECK(collected(pool.imap(square, found::ThreeNumbers())) == expected);
}

TEST_CASE("pool: a range that is given away gives its elements away") {
  Pool pool(2);
  CHECK(pool.map(take, pointers(5)) == numbers(5));
  CHECK(pool.map_async(take, pointers(5)).get() == numbers(5));
  CHECK(collected(pool.imap(take, pointers(5), {.chunksize = 2})) == numbers(5));
  const std::size_t chunksize = GENERATE(0, 1, 3);
  CHECK(pool.map(receive, connections<std::vector<Connection>>(5), {.chunksize = chunksize}) == numbers(5));
  CHECK(pool.map(receive, connections<std::list<Connection>>(5), {.chunksize = chunksize}) == numbers(5));
  CHECK(pool.map_async(receive, connections<std::vector<Connection>>(5), {.chunksize = chunksize}).get() == numbers(5));
  CHECK(pool.map_async(receive, connections<std::deque<Connection>>(5), {.chunksize = chunksize}).get() == numbers(5));
  CHECK(collected(pool.imap(receive, connections<std::vector<Connection>>(5), {.chunksize = chunksize})) == numbers(5));
  std::vector<std::pair<int, Connection>> pairs;
  for (Connection& connection : connections<std::vector<Connection>>(3)) pairs.emplace_back(10, std::move(connection));
  CHECK(pool.starmap(receive_more, std::move(pairs)) == std::vector<int>{10, 11, 12});
}

TEST_CASE("pool: what belongs to somebody else is not moved from") {
  Pool pool(2);
  const auto size = [](const std::string& s) { return s.size(); };
  const std::vector<std::string> before(3, std::string(100, 'x'));
  const std::vector<std::size_t> sizes(3, 100);
  auto texts = before;
  CHECK(collected(pool.imap(size, texts)) == sizes);
  CHECK(collected(pool.imap(size, std::span(texts))) == sizes);
  CHECK(pool.map_async(size, std::span(texts)).get() == sizes);
  CHECK(collected(pool.imap(size, ipc::progress(texts, 3, "texts"))) == sizes);
  CHECK(texts == before);
}

TEST_CASE("pool: results may be containers of what can only be moved, of any kind") {
  Pool pool(1);
  const auto entry = pool.apply_async([] {
    std::unordered_map<int, std::unique_ptr<int>> all;
    all.emplace(1, std::make_unique<int>(2));
    return all;
  });
  CHECK(*entry.get().at(1) == 2);
  const auto queue = pool.apply_async([] {
    std::deque<std::unique_ptr<int>> all;
    all.push_back(std::make_unique<int>(3));
    return all;
  });
  CHECK(*queue.get().front() == 3);
  const auto either = pool.apply_async([] { return std::variant<int, std::vector<std::unique_ptr<int>>>(pointers(5)); });
  CHECK(*std::get<1>(either.get()).at(4) == 4);
  const auto list = pool.apply_async([] { return connections<std::list<Connection>>(1); });
  CHECK(list.get().front().recv<int>() == 0);
  // Those that can be copied can be had twice.
  const auto plain = pool.apply_async([] { return std::deque<int>{1}; });
  CHECK(plain.get().size() == 1);
  CHECK(plain.get().size() == 1);
}

TEST_CASE("pool: a callback may hold what cannot be copied") {
  Pool pool(1);
  int got = 0;
  const auto result = pool.apply_async(square, 3);
  result.on_result([&got, more = std::make_unique<int>(1)](int x) { got = x + *more; });
  result.wait();
  CHECK(got == 10);
  bool failed = false;
  const auto bad = pool.apply_async(refuse_three, 3);
  bad.on_error([&failed, yes = std::make_unique<bool>(true)](const std::exception_ptr&) { failed = *yes; });
  bad.wait();
  CHECK(failed);
}
