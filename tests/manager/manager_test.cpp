#include <chrono>
#include <csignal>
#include <string>
#include <vector>

#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

namespace {

struct Counter {
  explicit Counter(int start) : value(start) {}
  int add(int by) { return value += by; }
  int value;
};

TEST_CASE("a managed list and dict as in the documentation") {
  const ipc::Manager m;
  auto d = m.dict<std::string, int>();
  d["a"] = 1;
  d.update("a", [](int& x) { ++x; });
  const int a = d["a"];
  CHECK(a == 2);
  auto l = m.list<int>({3, 1, 2});
  l.append(4);
  l.sort();
  CHECK(l.to_vector() == std::vector<int>{1, 2, 3, 4});
  CHECK_THROWS_AS(l.get(4), std::out_of_range);
  CHECK(l.index(3) == 2);
  CHECK_THROWS_AS(l.index(7), std::invalid_argument);
  auto o = m.object<Counter>(5);
  CHECK(o.call(&Counter::add, 3) == 8);
  CHECK(m.number_of_objects() == 3);
}

TEST_CASE("handshake_timeout, host_timeout: any duration, also one that no clock reaches") {
  constexpr auto endless = std::chrono::hours::max();
  const ipc::Manager m({.address = "tcp://127.0.0.1:0", .authkey = "key", .handshake_timeout = endless, .host_timeout = endless});
  const auto same = ipc::Manager::connect(m.address(), {.authkey = "key", .handshake_timeout = 20.5s, .host_timeout = 20.5s});
  CHECK(same.list<int>({1, 2}).size() == 2);
}

TEST_CASE("a child of fork uses what it inherited") {
  const ipc::Manager m;
  auto l = m.list<int>();
  ipc::Process p([&] { l.append(7); });
  p.start();
  p.join();
  CHECK(p.exitcode() == 0);
  CHECK(l.to_vector() == std::vector<int>{7});
}

TEST_CASE("a killed server is ManagerLost") {
  const ipc::Manager m;
  auto l = m.list<int>();
  m.shutdown();
  CHECK_THROWS_AS(l.size(), ipc::ManagerLost);
}

}  // namespace
