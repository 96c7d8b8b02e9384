#include <functional>
#include <memory>

#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;
using namespace std::chrono_literals;

namespace {

void nothing() {}

struct NoSerialize {
  std::string text;
};
void take_no_serialize(NoSerialize) {}

class OnlyDeclared;

int take_each_its_way(const char* text, std::unique_ptr<int> a, int& b, const int& c, int&& d) {
  ++b;
  return static_cast<int>(std::char_traits<char>::length(text)) + *a + b + c + d - 1;
}

struct CalledOnce {
  int operator()(int x) && { return 2 * x; }
};

std::string refusal_of(Process& process) {
  try {
    process.start();
  } catch (const NotShippable& e) {
    return e.what();
  }
  return "started";
}

}  // namespace

TEST_CASE("usage: nothing but start, names and flags makes sense before the start") {
  Process p(nothing);
  CHECK_THROWS_AS(p.join(), UsageError);
  CHECK_THROWS_AS(p.join(1s), UsageError);
  CHECK_THROWS_AS(p.terminate(), UsageError);
  CHECK_THROWS_AS(p.kill(), UsageError);
  CHECK_THROWS_AS(p.interrupt(), UsageError);
  CHECK_THROWS_AS(p.sentinel(), UsageError);
  p.set_name("renamed");
  CHECK(p.name() == "renamed");
  p.set_daemon(true);
  CHECK(p.daemon());
  CHECK_THROWS_AS(p.set_name(std::string(5000, 'x')), std::invalid_argument);
}

TEST_CASE("usage: a process starts once, and is a daemon from the start or never") {
  Process p(nothing);
  p.start();
  CHECK_THROWS_AS(p.start(), UsageError);
  CHECK_THROWS_AS(p.set_daemon(true), UsageError);
}

TEST_CASE("close: refused while the process runs; afterwards only its name and flags are left") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process p({.name = "closing", .start_method = method}, stay, std::move(in));
  p.start();
  CHECK_THROWS_AS(p.close(), UsageError);
  p.terminate();
  p.join();
  p.close();
  p.close();
  CHECK_THROWS_AS(p.is_alive(), UsageError);
  CHECK_THROWS_AS(p.join(), UsageError);
  CHECK_THROWS_AS(p.terminate(), UsageError);
  CHECK_THROWS_AS(p.exitcode(), UsageError);
  CHECK_THROWS_AS(p.pid(), UsageError);
  CHECK_THROWS_AS(p.sentinel(), UsageError);
  CHECK_THROWS_AS(p.start(), UsageError);
  CHECK(p.name() == "closing");
  CHECK_FALSE(p.daemon());
}

TEST_CASE("usage: an empty process can only be assigned to") {
  Process p;
  CHECK_THROWS_AS(p.start(), UsageError);
  CHECK_THROWS_AS(p.name(), UsageError);
  p = Process(nothing);
  p.start();
}

TEST_CASE("usage: a child cannot use its parent's processes, but can ask for their names") {
  auto [running_out, running_in] = os::make_pipe();
  Process other({.name = "other", .daemon = true}, stay, std::move(running_in));
  other.start();
  auto [out, in] = os::make_pipe();  // Not inherited by the other.
  Process p(
      {.name = "user"},
      [&](Fd to) {
        const auto refused = [&](auto use) {
          try {
            use();
            write_line(to, "allowed");
          } catch (const UsageError&) {
            write_line(to, "refused");
          }
        };
        refused([&] { other.join(); });
        refused([&] { other.is_alive(); });
        refused([&] { other.terminate(); });
        write_line(to, other.name() + " " + p.name() + " " + std::to_string(active_children().size()));
        other.~Process();  // Neither joins nor terminates.
        write_line(to, "done");
      },
      std::move(in));
  p.start();
  CHECK(read_all(out) == "refused\nrefused\nrefused\nother user 0\ndone\n");
  p.join();
  CHECK(p.exitcode() == 0);
  CHECK(other.is_alive());
}

TEST_CASE("not shippable: start names the type that cannot go to a process that is not forked, and fork takes it") {
  const auto method = GENERATE(StartMethod::spawn, StartMethod::forkserver);
  int local = 0;
  Process pointer(
      {.start_method = method}, [](const int*) {}, &local);
  CHECK_THROWS_AS(pointer.start(), NotShippable);
  CHECK(refusal_of(pointer).find("type int*") != std::string::npos);
  Process value({.start_method = method}, take_no_serialize, NoSerialize{"x"});
  CHECK(refusal_of(value).find("NoSerialize") != std::string::npos);
  Process capture({.start_method = method}, [text = std::string("captured")] {});
  CHECK_THROWS_AS(capture.start(), NotShippable);
  CHECK_FALSE(capture.is_alive());

  Process forked([text = std::string("captured"), own = std::make_unique<int>(3)] { return *own; });
  forked.start();
  forked.join();
  CHECK(forked.exitcode() == 3);
}

TEST_CASE("not shippable: what is owned as an array or of an unknown class goes to a forked process, and start says so for others") {
  const auto method = GENERATE(StartMethod::spawn, StartMethod::forkserver);
  const auto target = [](std::unique_ptr<int[]> array, std::vector<std::shared_ptr<const int[]>>, std::shared_ptr<OnlyDeclared>) {
    return array[1];
  };
  const auto make = [&](StartMethod with) {
    auto array = std::make_unique<int[]>(2);
    array[1] = 4;
    return Process({.start_method = with}, target, std::move(array), std::vector<std::shared_ptr<const int[]>>(),
                   std::shared_ptr<OnlyDeclared>());
  };
  Process refused = make(method);
  CHECK_THAT(refusal_of(refused), has_text("unique_ptr<int []"));
  Process forked = make(StartMethod::fork);
  forked.start();
  forked.join();
  CHECK(forked.exitcode() == 4);
}

TEST_CASE("arguments: each is passed in its own way, also when they are many") {
  const auto method = any_start_method();
  Process p({.start_method = method}, take_each_its_way, "four", std::make_unique<int>(1), 2, 3, 4);
  p.start();
  p.join();
  CHECK(p.exitcode() == 14);
}

TEST_CASE("a target that can be called only once is called so") {
  Process bound(std::bind_front([](std::unique_ptr<int> x, int y) { return *x + y; }, std::make_unique<int>(4)), 5);
  bound.start();
  bound.join();
  CHECK(bound.exitcode() == 9);
  Process p({.start_method = any_start_method()}, CalledOnce(), 3);
  p.start();
  p.join();
  CHECK(p.exitcode() == 6);
}

TEST_CASE("set_start_method: chosen once unless forced, and inherited by children of every kind") {
  // In a process of its own, which may change what is the process's.
  auto [out, in] = os::make_pipe();
  Process p(
      [](Fd to) {
        const auto name = [] { return std::to_string(static_cast<int>(start_method())); };
        write_line(to, name());
        set_start_method(StartMethod::spawn);
        write_line(to, name());
        try {
          set_start_method(StartMethod::fork);
        } catch (const UsageError&) {
          write_line(to, "chosen before");
        }
        for (const auto method : {StartMethod::spawn, StartMethod::forkserver, StartMethod::fork}) {
          set_start_method(method, true);
          Process child(
              [](Fd end) {
                write_line(end, std::to_string(static_cast<int>(start_method())));
                Process grandchild([](Fd last) { write_line(last, std::to_string(static_cast<int>(start_method()))); }, std::move(end));
                grandchild.start();
              },
              to.duplicate());
          child.start();
          child.join();
        }
      },
      std::move(in));
  p.start();
  CHECK(read_all(out) == "0\n1\nchosen before\n1\n1\n2\n2\n0\n0\n");
}
