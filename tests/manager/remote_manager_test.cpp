// CPython's _TestMyManager, _TestRemoteManager and _TestManagerRestart, and managers that serve in a process of one's own.
#include <unistd.h>

#include <csignal>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/event.hpp>
#include <ipc/fd.hpp>
#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;

namespace {

using ipc::Manager;

class FooBar {
 public:
  std::string f() { return hidden() + "()"; }
  void g() { throw std::domain_error("g()"); }
  virtual ~FooBar() = default;
  virtual int h(const std::string& text, int times) const { return static_cast<int>(text.size()) * times; }

 private:
  std::string hidden() { return "f"; }
};

template <class T>
concept ShowsHidden = requires(const ipc::ObjectProxy<T>& object) {
  object.call(&T::hidden);
};

/// Python's generator.
class Squares {
 public:
  explicit Squares(int end) : end_(end) {}
  std::optional<int> next() {
    if (i_ == end_) return std::nullopt;
    const int i = i_++;
    return i * i;
  }

 private:
  int i_ = 0;
  int end_;
};

TEST_CASE("test_mymanager: methods of a class of one's own, their results and what they throw") {
  const Manager m;
  const auto foo = m.object<FooBar>();
  CHECK(foo.call(&FooBar::f) == "f()");
  CHECK(foo.call(&FooBar::h, "ab", 3) == 6);
  CHECK_THROWS_AS(foo.call(&FooBar::g), std::domain_error);
  CHECK_THROWS_AS(foo.call(&FooBar::g), ipc::RemoteError);
  try {
    foo.call(&FooBar::g);
  } catch (const ipc::RemoteError& error) {
    CHECK(error.what() == std::string("g()"));
    CHECK(error.process_name().starts_with("Manager-"));
    CHECK(error.backtrace().find("FooBar::g") != std::string::npos);
  }
}

TEST_CASE("test_mymanager: a method that is not public cannot be called, nor what is no method") {
  STATIC_REQUIRE_FALSE(ShowsHidden<FooBar>);
  const Manager m;
  const auto foo = m.object<FooBar>();
  CHECK_THROWS_AS(ipc::detail::Request(foo.reference(), ipc::detail::Op::size).send(), ipc::UsageError);
  CHECK(foo.call(&FooBar::f) == "f()");
}

TEST_CASE("test_mymanager: an iterator on the server, which goes on wherever it is asked") {
  const Manager m;
  const auto squares = m.object<Squares>(10);
  std::vector<int> seen;
  for (int i = 0; i < 5; ++i) seen.push_back(squares.call(&Squares::next).value());
  const auto rest = m.list<int>();
  ipc::Process child([&] {
    while (const auto square = squares.call(&Squares::next)) rest.append(*square);
  });
  child.start();
  child.join();
  for (const int square : rest) seen.push_back(square);
  CHECK(seen == std::vector<int>{0, 1, 4, 9, 16, 25, 36, 49, 64, 81});
  CHECK(squares.call(&Squares::next) == std::nullopt);
}

TEST_CASE("test_remote: a manager over TCP, a client puts, another gets") {
  const Manager server({.address = "tcp://127.0.0.1:0", .authkey = "none of your business"});
  const std::string address = server.address();
  ipc::Process writer([&] {
    const auto m = Manager::connect(address, {.authkey = "none of your business"});
    m.Queue<std::vector<std::string>>(ipc::named("queue")).put({"hello world", "", "naïve"});
  });
  writer.start();
  const auto m = Manager::connect(address, {.authkey = "none of your business"});
  const auto queue = m.Queue<std::vector<std::string>>(ipc::named("queue"));
  CHECK(queue.get() == std::vector<std::string>{"hello world", "", "naïve"});
  CHECK_THROWS_AS(m.Queue<int>(ipc::named("queue")), ipc::UsageError);
  CHECK_THROWS_AS(m.list<int>(ipc::named("queue")), ipc::UsageError);
}

TEST_CASE("what cannot be sent over TCP is refused, and the connection goes on") {
  const Manager m({.address = "tcp://127.0.0.1:0", .authkey = "key"});
  const auto list = m.list<ipc::Fd>();
  ipc::Fd file(::dup(0));
  CHECK_THROWS_AS(list.append(file), ipc::EncodingError);
  CHECK(list.empty());
}

TEST_CASE("descriptors are elements as others over a unix socket") {
  const Manager m;
  const auto list = m.list<ipc::Fd>();
  list.append(ipc::Fd(::dup(0)));
  CHECK(list.get(0).get() >= 0);
  CHECK(list.pop().get() >= 0);
}

TEST_CASE("test_rapid_restart: the same port again right after the end") {
  std::string address = "tcp://127.0.0.1:0";
  for (int i = 0; i < 3; ++i) {
    const Manager m({.address = address, .authkey = "key"});
    address = m.address();
    const auto queue = m.Queue<std::string>(ipc::named("queue"));
    queue.put("hello");
    CHECK(queue.get() == "hello");
    m.shutdown();
    m.shutdown();
    m.join();
  }
}

TEST_CASE("an address that is taken is a system_error of the maker") {
  const Manager m({.address = "tcp://127.0.0.1:0", .authkey = "key"});
  CHECK_THROWS_AS(Manager({.address = m.address(), .authkey = "key"}), std::system_error);
}

TEST_CASE("a manager that serves in a thread of this process, until a client ends it") {
  std::promise<std::string> promise;
  std::thread server([&] { Manager::serve({.on_serving = [&](const std::string& address) { promise.set_value(address); }}); });
  {
    const auto m = Manager::connect(promise.get_future().get());
    const auto list = m.list<int>({1});
    ipc::Process child([&] { list.append(2); });
    child.start();
    child.join();
    CHECK(list.to_vector() == std::vector<int>{1, 2});
    m.shutdown();
  }
  server.join();
}

TEST_CASE("the server leaves when the process that started it is killed, and its clients are told") {
  auto [ours, its] = ipc::Pipe();
  ipc::Process starter([end = std::move(its)]() mutable {
    const Manager m;
    end.send(m.address());
    end.recv<bool>();
  });
  starter.start();
  const auto m = Manager::connect(ours.recv<std::string>());
  CHECK(m.number_of_objects() == 0);
  starter.kill();
  m.join();
  CHECK_THROWS_AS(m.number_of_objects(), ipc::ManagerLost);
}

TEST_CASE("a stopped server keeps no client from forking, and serves the children when it goes on") {
  const Manager m;
  const auto list = m.list<int>({1});
  const auto server = m.object<int>().call([](int&) { return ipc::current_process().pid(); });
  const ipc::Event goes_on;
  std::vector<ipc::Process> children;
  ::kill(server, SIGSTOP);
  for (int i = 0; i < 3; ++i) {
    children
        .emplace_back([&] {
          goes_on.wait();
          list.append(list.get(0));
        })
        .start();
  }
  ::kill(server, SIGCONT);
  goes_on.set();
  for (ipc::Process& child : children) {
    child.join();
    CHECK(child.exitcode() == 0);
  }
  CHECK(list.size() == 4);
}

TEST_CASE("a proxy cannot be used on the server, which would wait for itself") {
  const Manager m;
  const auto inner = m.list<int>();
  const auto outer = m.list<ipc::ListProxy<int>>({inner});
  CHECK_THROWS_AS(outer.update(0, [](ipc::ListProxy<int>& list) { list.append(1); }), std::logic_error);
  // But it can be passed on.
  CHECK(outer.update(0, [](ipc::ListProxy<int>& list) { return list; }) == inner);
}

TEST_CASE("a list that holds itself does not crash anybody") {
  const Manager m;
  const auto space = m.Namespace();
  space.set("self", space);
  CHECK(space.get<ipc::NamespaceProxy>("self") == space);
}

}  // namespace
