// CPython's _TestContainers. What it has of proxies in containers is in lifetime_test.cpp.
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::ListProxy;
using ipc::Manager;
using Ints = std::vector<int>;

template <class Range>
auto all_of(const Range& range) {
  return std::vector<typename Range::Iterator::value_type>(range.begin(), range.end());
}

TEST_CASE("_TestContainers.test_list") {
  const Manager m;
  const auto a = m.list<int>(Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(a.slice(0) == Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  const auto b = m.list<int>();
  CHECK(b.to_vector().empty());
  b.extend(Ints{0, 1, 2, 3, 4});
  CHECK(b.slice(0) == Ints{0, 1, 2, 3, 4});
  CHECK(b[2] == 2);
  CHECK(b.slice(2, 10) == Ints{2, 3, 4});
  b.extend(b.to_vector());
  CHECK(b.to_vector() == Ints{0, 1, 2, 3, 4, 0, 1, 2, 3, 4});
  b.extend({5, 6});
  CHECK(b.to_vector() == Ints{0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 5, 6});
  CHECK(b.contains(6));
  CHECK_FALSE(b.contains(7));
  const auto e = m.list<ListProxy<int>>({a, b});
  CHECK(e[0] == a);
  CHECK(e.get(1).to_vector() == b.to_vector());
  const auto f = m.list<ListProxy<int>>({a});
  a.append(100);
  CHECK(f.get(0).to_vector() == Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 100});
  CHECK(f.get(-1)[-1] == 100);
}

TEST_CASE("_TestContainers.test_list_iter") {
  const Manager m;
  const auto a = m.list<int>(Ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  auto iterator = a.begin();
  Ints seen;
  for (; iterator != a.end(); ++iterator) seen.push_back(*iterator);
  CHECK(seen == a.to_vector());
  CHECK(iterator == std::default_sentinel);
  // What is changed and appended meanwhile is seen.
  Ints live;
  for (const int x : a) {
    if (x == 0) {
      a[1] = 100;
      a.append(10);
    }
    live.push_back(x);
  }
  CHECK(live == Ints{0, 100, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(all_of(m.list<std::string>()).empty());
  CHECK(all_of(m.Array<int>({3, 4})) == Ints{3, 4});
  // The iterator keeps its list.
  auto alone = m.list<int>({7, 8}).begin();
  ++alone;
  CHECK(*alone == 8);
}

TEST_CASE("_TestContainers.test_dict") {
  const Manager m;
  const auto d = m.dict<int, char>();
  Ints keys;
  for (int i = 65; i < 70; ++i) {
    d[i] = static_cast<char>(i);
    keys.push_back(i);
  }
  CHECK(d.to_map() == std::map<int, char>{{65, 'A'}, {66, 'B'}, {67, 'C'}, {68, 'D'}, {69, 'E'}});
  CHECK(d.keys() == keys);
  CHECK(d.values() == std::vector<char>{'A', 'B', 'C', 'D', 'E'});
  CHECK(d.items().back() == std::pair<int, char>(69, 'E'));
}

TEST_CASE("_TestContainers.test_dict_iter") {
  const Manager m;
  const auto d = m.dict<int, char>();
  for (int i = 65; i < 70; ++i) d[i] = static_cast<char>(i);
  CHECK(all_of(d) == Ints{65, 66, 67, 68, 69});
  auto iterator = d.begin();
  d[65] = 'a';  // That is no change of the keys.
  CHECK(*++iterator == 66);
  d.clear();
  CHECK_THROWS_AS(++iterator, ipc::UsageError);
  CHECK(all_of(d).empty());
  // As many keys as before, but not the one that comes next.
  d[1] = 'x';
  d[2] = 'y';
  auto other = d.begin();
  d.erase(1);
  d[3] = 'z';
  CHECK_THROWS_AS(++other, ipc::UsageError);
}

TEST_CASE("_TestContainers.test_namespace") {
  const Manager m;
  const auto n = m.Namespace();
  n.set("name", "Bob");
  n.set("job", "Builder");
  n.set("_hidden", "hidden");
  CHECK(n.get<std::string>("name") == "Bob");
  n.del("job");
  CHECK_FALSE(n.has("job"));
  CHECK(n.get_value().names() == std::vector<std::string>{"name"});
  CHECK(n.get<std::string>("_hidden") == "hidden");
  CHECK(ipc::NamespaceProxy(n).has("_hidden"));
  ipc::Process child(
      {.start_method = ipc::StartMethod::spawn},
      [](const ipc::NamespaceProxy& there) {
        ipc::test::require(there.has("name") && !there.has("_hidden"), "what is hidden has travelled");
      },
      n);
  child.start();
  child.join();
  CHECK(child.exitcode() == 0);
  n.del("_hidden");
  CHECK_THROWS_AS(n.get<std::string>("_hidden"), std::out_of_range);
  CHECK_THROWS_AS(n.del("_hidden"), std::out_of_range);
}

TEST_CASE("an item keeps its container, and is assigned what another one stands for") {
  const Manager m;
  const auto outer = m.dict<std::string, ListProxy<int>>();
  outer["in"] = m.list<int>({5, 6});
  const auto item = outer.get("in")[1];
  outer.clear();
  CHECK(static_cast<int>(item) == 6);
  const auto d = m.dict<std::string, int>({{"a", 1}, {"b", 2}});
  d["a"] = d["b"];
  CHECK(d["a"] == 2);
  const auto l = m.list<int>({3, 4});
  l[0] = l[1];
  CHECK(l.to_vector() == Ints{4, 4});
  d["a"] = l[0];
  CHECK(d["a"] == 4);
  l[1] = d["b"];
  CHECK(l.to_vector() == Ints{4, 2});
  auto kept = l[0];
  const auto constant = l[1];
  kept = constant;
  constant = kept;
  CHECK(l.to_vector() == Ints{2, 2});
  CHECK(kept == constant);
  const auto array = m.Array<double>({1.5, 2.5});
  array[0] = l[0];
  array[1] = array[0];
  CHECK(array.get_value() == std::vector<double>{2, 2});
}

/// Single pass, and to be gone over only by who may change it.
struct Countdown {
  struct Iterator {
    int* at;
    int operator*() const { return *at; }
    Iterator& operator++() {
      --*at;
      return *this;
    }
    bool operator!=(const Iterator&) const { return *at != 0; }
  };
  Iterator begin() { return {&at}; }
  Iterator end() { return {&at}; }
  int at = 3;
};

TEST_CASE("managed containers are made and filled from any range") {
  const Manager m;
  CHECK(m.list<int>(Countdown()).to_vector() == Ints{3, 2, 1});
  CHECK(m.list<int>(ipc::named("list"), Countdown()).to_vector() == Ints{3, 2, 1});
  CHECK(m.Array<int>(Countdown()).to_vector() == Ints{3, 2, 1});
  Countdown countdown;
  const auto list = m.list<long>();
  list.extend(countdown);
  CHECK(list.to_vector() == std::vector<long>{3, 2, 1});
  const auto queue = m.Queue<int>();
  queue.put_many(Countdown());
  CHECK(queue.get_many(9) == Ints{3, 2, 1});
}

TEST_CASE("what can only be moved is moved into managed objects, and is the caller's again when there was no room") {
  const Manager m;
  const auto passes = [](ipc::Connection from, ipc::Connection to) {
    from.send(7);
    CHECK(to.recv<int>() == 7);
  };
  const auto queue = m.Queue<ipc::Connection>(1);
  auto [a, b] = ipc::Pipe();
  queue.put(std::move(a));
  CHECK_FALSE(queue.try_put(std::move(b)));
  CHECK_FALSE(b.closed());
  CHECK_FALSE(queue.try_put_for(std::move(b), 1ms));
  CHECK_THROWS_AS(queue.put(std::move(b), 1ms), ipc::Full);
  CHECK_THROWS_AS(queue.put_nowait(std::move(b)), ipc::Full);
  passes(queue.get(), std::move(b));
  const auto list = m.list<ipc::Connection>();
  auto [c, d] = ipc::Pipe();
  list.append(std::move(c));
  list.insert(0, ipc::Pipe().first);
  list[0] = std::move(d);
  passes(list.pop(), list.pop());
  auto [e, f] = ipc::Pipe();
  std::vector<ipc::Connection> ends;
  ends.push_back(std::move(e));
  ends.push_back(std::move(f));
  list.extend(std::move(ends));
  passes(list.pop(), list.pop());
  auto [g, h] = ipc::Pipe();
  const auto dict = m.dict<int, ipc::Connection>();
  dict[1] = std::move(g);
  dict.set(2, std::move(h));
  passes(dict.pop(1), dict.pop(2));
}

TEST_CASE("what is not there is the standard exception, and a RemoteError that says whose") {
  const Manager m;
  const auto is_remote = [](auto call) {
    CHECK_THROWS_AS(call(), std::out_of_range);
    try {
      call();
    } catch (const ipc::RemoteError& error) {
      CHECK(error.process_name().starts_with("Manager-"));
      CHECK(error.type_name() == "std::out_of_range");
      CHECK_FALSE(std::string(error.what()).empty());
    }
  };
  const auto d = m.dict<std::string, int>();
  is_remote([&] { d.get("a"); });
  is_remote([&] { static_cast<void>(static_cast<int>(d["a"])); });
  is_remote([&] { d.pop("a"); });
  is_remote([&] { d.popitem(); });
  is_remote([&] { d.update("a", [](int&) {}); });
  is_remote([&] { m.list<int>().get(0); });
  is_remote([&] { m.list<int>().pop(); });
  is_remote([&] { m.Array<int>(1).set(1, 1); });
  is_remote([&] { m.Namespace().get<int>("x"); });
  CHECK_THROWS_AS(m.BoundedSemaphore(1).release(), ipc::RemoteError);
  CHECK_THROWS_AS(m.list<int>().remove(1), ipc::RemoteError);
}

}  // namespace
