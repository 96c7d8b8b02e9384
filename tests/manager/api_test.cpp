// Every name of a manager's interface, as the documentation has it.
#include <ipc/ipc.hpp>

#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Manager;
using ipc::named;

struct Account {
  Account(std::string of, long begin) : owner(std::move(of)), balance(begin) {}
  Account() = default;
  long deposit(long sum) {
    if (sum < 0) throw std::invalid_argument("negative");
    return balance += sum;
  }
  const std::string& name() const { return owner; }
  std::string owner;
  long balance = 0;
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& owner& balance;
  }
};

int triple(int x) { return 3 * x; }

TEST_CASE("every maker makes a named object at its first use, and gives the same one to all") {
  const Manager m;
  const auto same = [&](auto make) {
    const auto first = make();
    const Manager other = Manager::connect(m.address());
    CHECK(first == make());
    CHECK(first.kind() == make().kind());
  };
  same([&] { return m.list<int>(named("list")); });
  same([&] { return m.dict<std::string, int>(named("dict")); });
  same([&] { return m.Namespace(named("namespace")); });
  same([&] { return m.Lock(named("lock")); });
  same([&] { return m.RLock(named("rlock")); });
  same([&] { return m.Semaphore(named("semaphore"), 2); });
  same([&] { return m.BoundedSemaphore(named("bounded"), 2); });
  same([&] { return m.Condition(named("condition")); });
  same([&] { return m.Event(named("event")); });
  same([&] { return m.Barrier(named("barrier"), 2); });
  same([&] { return m.Queue<int>(named("queue"), 3); });
  same([&] { return m.JoinableQueue<int>(named("joinable")); });
  same([&] { return m.Value<int>(named("value"), 5); });
  same([&] { return m.Array<int>(named("array"), 5); });
  same([&] { return m.Array<int>(named("array of"), std::vector<int>{1}); });
  same([&] { return m.Array<int>(named("array in braces"), {1, 2}); });
  same([&] { return m.object<Account>(named("account"), "Ada", 3L); });
  same([&] { return m.Pool(named("pool"), 1); });
  CHECK(m.Value<int>(named("value")).get() == 5);
  CHECK(m.list<int>(named("begun"), std::vector<int>{1, 2}).size() == 2);
  CHECK(m.list<int>(named("begun")).size() == 2);
  CHECK(m.Array<int>(named("array in braces"), 9).get_value() == std::vector<int>{1, 2});
  CHECK_THROWS_AS(m.list<long>(named("list")), ipc::UsageError);
  CHECK_THROWS_AS((m.dict<std::string, long>(named("dict"))), ipc::UsageError);
  CHECK_THROWS_AS(m.RLock(named("lock")), ipc::UsageError);
  CHECK_THROWS_AS(m.object<int>(named("account")), ipc::UsageError);
  CHECK_THROWS_AS(m.Event(named("pool")), ipc::UsageError);
}

TEST_CASE("every operation of a managed list") {
  const Manager m;
  const auto l = m.list<std::string>({"b", "a"});
  l.append("c");
  l.extend(std::vector<std::string>{"d", "a"});
  l.extend({"e"});
  l.insert(1, "x");
  CHECK(l.to_vector() == std::vector<std::string>{"b", "x", "a", "c", "d", "a", "e"});
  CHECK(l.pop() == "e");
  CHECK(l.pop(1) == "x");
  l.remove("a");
  CHECK(l.index("c") == 1);
  CHECK(l.count("a") == 1);
  l.sort();
  CHECK(l.get_value() == std::vector<std::string>{"a", "b", "c", "d"});
  l.sort([](const std::string& x, const std::string& y) { return x > y; });
  l.reverse();
  CHECK(l.get(-1) == "d");
  l.set(0, "A");
  l[1] = "B";
  const std::string b = l[1];
  CHECK(b == "B");
  CHECK(l[0] == "A");
  CHECK(l.slice(1, 3) == std::vector<std::string>{"B", "c"});
  CHECK(l.slice(-1) == std::vector<std::string>{"d"});
  CHECK(l.slice(7, 9).empty());
  CHECK(l.update(0, [](std::string& s) { return (s += "!").size(); }) == 2);
  CHECK(l.size() == 4);
  CHECK_THROWS_AS(l.get(4), std::out_of_range);
  CHECK_THROWS_AS(l.get(-5), std::out_of_range);
  CHECK_THROWS_AS(l.set(4, ""), std::out_of_range);
  CHECK_THROWS_AS(l.update(4, [](std::string&) {}), std::out_of_range);
  CHECK_THROWS_AS(l.update(0, [](std::string& s) { s.at(99); }), std::out_of_range);
  CHECK_THROWS_AS(l.update(0, [](std::string& s) { s.at(99); }), ipc::RemoteError);
  CHECK(l[0] == "A!");
  l.clear();
  CHECK(l.empty());
}

TEST_CASE("every operation of a managed dict") {
  const Manager m;
  const auto d = m.dict<int, std::string>({{1, "one"}, {2, "two"}});
  d[3] = "three";
  const std::string three = d[3];
  CHECK(three == "three");
  CHECK(d.get(1) == "one");
  CHECK(d.get(9, "none") == "none");
  d.set(1, "ONE");
  CHECK(d.contains(1));
  CHECK_FALSE(d.contains(9));
  CHECK(d.pop(1) == "ONE");
  CHECK(d.popitem() == std::pair<int, std::string>(3, "three"));
  CHECK(d.setdefault(4, "four") == "four");
  CHECK(d.erase(4));
  CHECK(d.size() == 1);
  d.merge(std::map<int, std::string>{{5, "five"}});
  d.merge({{6, "six"}});
  CHECK(d.keys() == std::vector<int>{2, 5, 6});
  CHECK(d.values() == std::vector<std::string>{"two", "five", "six"});
  CHECK(d.items().front() == std::pair<int, std::string>(2, "two"));
  CHECK(d.to_map() == std::map<int, std::string>{{2, "two"}, {5, "five"}, {6, "six"}});
  CHECK(d.get_value() == d.to_map());
  CHECK(d.update(2, [](std::string& s) { return s += "!"; }) == "two!");
  CHECK_THROWS_AS(d.update(2, [](std::string&) { throw std::underflow_error("x"); }), std::underflow_error);
  CHECK_THROWS_AS(d.get(9), std::out_of_range);
  CHECK_THROWS_AS(static_cast<std::string>(d[9]), std::out_of_range);
  CHECK_THROWS_AS(d.pop(9), std::out_of_range);
  CHECK_THROWS_AS(d.update(9, [](std::string&) {}), std::out_of_range);
  d.clear();
  CHECK(d.empty());
}

TEST_CASE("every operation of a managed namespace, value, array and object") {
  const Manager m;
  const auto n = m.Namespace();
  n.set("x", 1);
  n.set("text", "t");
  n.set("list", m.list<int>({7}));
  CHECK(n.get<int>("x") == 1);
  CHECK(n.has("text"));
  const auto copy = n.get_value();
  n.del("x");
  n.del("list");
  CHECK_FALSE(n.has("x"));
  CHECK(copy.names() == std::vector<std::string>{"list", "text", "x"});
  CHECK(copy.get<int>("x") == 1);
  CHECK(copy.get<ipc::ListProxy<int>>("list")[0] == 7);
  CHECK(copy.get<ipc::ListProxy<int>>("list").size() == 1);
  CHECK_THROWS_AS(copy.get<int>("y"), std::out_of_range);

  const auto v = m.Value<double>(1.5);
  CHECK(v.get_value() == 1.5);
  v.set(2);
  CHECK(v.update([](double& x) { return x *= 2; }) == 4);
  CHECK_THROWS_AS(v.update([](double&) { throw std::length_error("no"); }), std::length_error);
  const auto bits = m.Value<unsigned>(0b0110);
  CHECK(bits.fetch_or(0b1000) == 0b0110);
  CHECK(bits.fetch_and(0b1010) == 0b1110);
  CHECK(bits.fetch_xor(0b0011) == 0b1010);
  CHECK(bits.fetch_sub(1) == 0b1001);
  CHECK(bits.fetch_add(2) == 0b1000);
  CHECK(bits.get() == 0b1010);
  const auto a = m.Array<int>(std::vector<int>{1, 2, 3});
  a.set(-1, 4);
  a[0] = 9;
  CHECK(a.at(0) == 9);
  CHECK(a.get_value() == std::vector<int>{9, 2, 4});
  CHECK(a.update(1, [](int& x) { return ++x; }) == 3);
  CHECK(m.Array<int>(4).get_value() == std::vector<int>(4));

  const auto o = m.object<Account>("Ada", 10L);
  CHECK(o.call(&Account::deposit, 5) == 15);
  CHECK(o.call(&Account::name) == "Ada");
  CHECK(o.call([](Account& account, long by) { return account.balance -= by; }, 1L) == 14);
  CHECK(o.get_value().balance == 14);
  CHECK_THROWS_AS(o.call(&Account::deposit, -1), std::invalid_argument);
  CHECK_THROWS_AS(o.call(&Account::deposit, -1), ipc::RemoteError);
}

TEST_CASE("every operation of managed locks and the like, and their values") {
  const Manager m;
  const auto lock = m.Lock();
  {
    const std::scoped_lock guard(lock);
    CHECK(lock.get_value());
    CHECK_FALSE(lock.try_lock());
    CHECK_FALSE(lock.try_lock_for(1ms));
    CHECK_FALSE(lock.recovered());
  }
  CHECK_FALSE(lock.get_value());
  const auto semaphore = m.Semaphore(1);
  semaphore.acquire();
  CHECK_FALSE(semaphore.try_acquire());
  CHECK_FALSE(semaphore.try_acquire_for(1ms));
  semaphore.release();
  semaphore.release(2);
  CHECK(semaphore.get_value() == 3);
  CHECK_THROWS_AS(m.BoundedSemaphore(1).release(), std::invalid_argument);
  const auto condition = m.Condition();
  condition.lock();
  CHECK(condition.get_value());
  CHECK_FALSE(condition.wait_for(1ms));
  condition.wait([] { return true; });
  CHECK_FALSE(condition.wait_for(1ms, [] { return false; }));
  condition.notify();
  condition.notify(2);
  condition.notify_all();
  condition.unlock();
  CHECK_THROWS_AS(condition.notify(), ipc::UsageError);
  const auto event = m.Event();
  event.set();
  CHECK(event.is_set());
  CHECK(event.wait());
  event.clear();
  CHECK_FALSE(event.wait_for(1ms));
  CHECK_FALSE(event.get_value());
  const auto barrier = m.Barrier(1);
  CHECK(barrier.wait() == 0);
  CHECK(barrier.wait_for(1s) == 0);
  CHECK(barrier.parties() == 1);
  CHECK(barrier.n_waiting() == 0);
  CHECK(barrier.get_value() == 0);
  barrier.abort();
  CHECK(barrier.broken());
  barrier.reset();
  CHECK(m.Barrier(1, {}, 5s).wait() == 0);
  CHECK(m.Barrier(named("barrier"), 1, {}, 5s).parties() == 1);
}

TEST_CASE("every operation of managed queues") {
  const Manager m;
  const auto q = m.JoinableQueue<int>(3);
  q.put(1);
  q.put(2, 1s);
  q.put_nowait(3);
  CHECK(q.full());
  CHECK(q.get_value() == std::vector<int>{1, 2, 3});
  CHECK_FALSE(q.try_put(4));
  CHECK_FALSE(q.try_put_for(4, 1ms));
  CHECK_THROWS_AS(q.put(4, 1ms), ipc::Full);
  CHECK(q.get() == 1);
  CHECK(q.get(1s) == 2);
  CHECK(q.get_nowait() == 3);
  CHECK_FALSE(q.try_get());
  CHECK_FALSE(q.try_get_for(1ms));
  CHECK_THROWS_AS(q.get(1ms), ipc::Empty);
  q.put_many(std::vector<int>{4, 5});
  CHECK(q.get_many(5) == std::vector<int>{4, 5});
  CHECK_FALSE(q.join(1ms));
  for (int i = 0; i < 5; ++i) q.task_done();
  q.join();
  CHECK(q.qsize() == 0);
  CHECK(q.empty());
  CHECK_FALSE(q.closed());
  q.close();
  CHECK(q.closed());
  const auto ended = m.Queue<int>();
  ended.put(6);
  ended.shutdown();
  CHECK_THROWS_AS(ended.put(7), ipc::ShutDown);
  for (const int item : ended) CHECK(item == 6);
  CHECK_THROWS_AS(ended.get(), ipc::ShutDown);
}

TEST_CASE("any proxy is an element, and keeps its object") {
  const Manager m;
  const auto space = m.Namespace();
  const auto keeps = [&](const auto& proxy) {
    using Proxy = std::decay_t<decltype(proxy)>;
    const auto list = m.list<Proxy>({proxy});
    CHECK(list.get(0) == proxy);
    CHECK(list.index(proxy) == 0);
    space.set("proxy", proxy);
    CHECK(space.get<Proxy>("proxy") == proxy);
    const auto dict = m.dict<std::string, Proxy>();
    dict["it"] = proxy;
    CHECK(dict.get("it") == proxy);
    auto [a, b] = ipc::Pipe();
    a.send(proxy);
    CHECK(b.recv<Proxy>() == proxy);
    const ipc::Queue<Proxy> queue;
    queue.put(proxy);
    CHECK(queue.get() == proxy);
  };
  keeps(m.list<int>());
  keeps(m.dict<int, int>());
  keeps(m.Namespace());
  keeps(m.Lock());
  keeps(m.RLock());
  keeps(m.Semaphore());
  keeps(m.BoundedSemaphore());
  keeps(m.Condition());
  keeps(m.Event());
  keeps(m.Barrier(1));
  keeps(m.Queue<int>());
  keeps(m.JoinableQueue<int>());
  keeps(m.Value<int>());
  keeps(m.Array<int>(1));
  keeps(m.object<int>());
  const auto pool = m.Pool(1);
  keeps(pool);
  keeps(pool.apply_async(triple, 1));
}

TEST_CASE("the manager itself: address, shutdown, join, and an initializer") {
  static int initialized = 0;
  const Manager m({.initializer = [] { initialized = 7; }});
  CHECK(m.address().starts_with("unix:"));
  CHECK(m.object<int>().call([](int&) { return initialized; }) == 7);
  CHECK_THROWS_AS(Manager({.initializer = [] { throw std::domain_error("not today"); }}), std::domain_error);
  m.shutdown();
  m.join();
  CHECK_THROWS_AS(m.list<int>(), ipc::ManagerLost);
}

}  // namespace
