#include <atomic>
#include <chrono>
#include <cstdlib>
#include <list>
#include <thread>

#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;
using namespace std::chrono_literals;

namespace {

std::string describe_self() {
  const auto self = current_process();
  const auto parent = parent_process();
  return self.name() + " " + std::to_string(self.pid()) + " " + (self.daemon() ? "daemon" : "no daemon") + ", parent " +
         (parent ? parent->name() + " " + std::to_string(parent->pid()) : "none");
}

void report_self(Fd out) { write_line(out, describe_self()); }

void report_arguments(Fd out, int a, const std::string& b, std::vector<double> c, std::pair<char, bool> d) {
  write_line(out, std::to_string(a) + " " + b + " " + std::to_string(c.at(1)) + " " + d.first + (d.second ? "+" : "-"));
}

void nothing() {}

// Depth first: every node writes itself, then runs its two children, one after the other.
void grow_tree(int out, std::string path) {
  const Fd pipe(out);
  write_line(pipe, path.empty() ? "root" : path);
  if (path.size() < 2) {
    for (const char* branch : {"0", "1"}) {
      Process child(grow_tree, out, path + branch);
      child.start();
      child.join();
    }
  }
}

void wait_for_line(Fd go) { read_line(go); }

bool listed_as_active(const Process& process) {
  for (const auto& child : active_children()) {
    if (child.pid() == process.pid()) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("current: the main process is called MainProcess, is no daemon and has no parent") {
  const auto self = current_process();
  CHECK(self.name() == "MainProcess");
  CHECK(self.pid() == ::getpid());
  CHECK_FALSE(self.daemon());
  CHECK_FALSE(parent_process().has_value());
}

TEST_CASE("process: a process runs its target once, with its arguments, and is not alive before or after") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process p({.name = "fred", .start_method = method}, report_arguments, std::move(in), 7, "text", std::vector<double>{1, 2.5},
            std::pair('x', true));
  CHECK_FALSE(p.is_alive());
  CHECK_FALSE(p.exitcode().has_value());
  CHECK_FALSE(p.pid().has_value());
  CHECK(p.name() == "fred");
  p.start();
  CHECK(p.pid().value() > 0);
  CHECK(read_all(out) == "7 text 2.500000 x+\n");
  p.join();
  CHECK_FALSE(p.is_alive());
  CHECK(p.exitcode() == 0);
  CHECK_FALSE(listed_as_active(p));
  p.join();
}

TEST_CASE("parent_process_attributes: a child knows its name, its pid and its parent's") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process p({.name = "child", .start_method = method}, report_self, std::move(in));
  p.start();
  const std::string expected = "child " + std::to_string(*p.pid()) + " no daemon, parent MainProcess " + std::to_string(::getpid());
  CHECK(read_line(out) == expected);
}

TEST_CASE("names: processes are numbered at construction, and from 1 again in each child") {
  Process first(nothing);
  Process second(nothing);
  const int number = std::stoi(first.name().substr(8));
  CHECK(first.name() == "Process-" + std::to_string(number));
  CHECK(second.name() == "Process-" + std::to_string(number + 1));

  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process parent(
      {.start_method = method},
      [](Fd to) {
        Process one(nothing);
        Process two(nothing);
        write_line(to, current_process().name() + " " + one.name() + " " + two.name());
      },
      std::move(in));
  parent.start();
  CHECK(read_line(out) == parent.name() + " " + parent.name() + ":1 " + parent.name() + ":2");
}

TEST_CASE("daemon_argument: a process is a daemon as its creator is, unless told otherwise") {
  CHECK_FALSE(Process(nothing).daemon());
  CHECK(Process({.daemon = true}, nothing).daemon());
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process p(
      {.daemon = true, .start_method = method},
      [](Fd to) {
        write_line(to, Process(nothing).daemon() ? "daemon" : "no daemon");
        write_line(to, Process({.daemon = false}, nothing).daemon() ? "daemon" : "no daemon");
        try {
          Process(nothing).start();
        } catch (const UsageError& e) {
          write_line(to, e.what());
        }
      },
      std::move(in));
  p.start();
  CHECK(read_all(out) ==
        "daemon\nno daemon\ndaemonic processes are not allowed to have children: a daemon is killed with its parent, and would leave them "
        "behind. Have that parent start them, or make the daemon with `.daemon = false`.\n");
}

TEST_CASE("terminate, kill and interrupt: a running process ends by the signal, and joins that do not wait return at once") {
  const auto method = any_start_method();
  const int signum = GENERATE(SIGTERM, SIGKILL, SIGINT);
  auto [out, in] = os::make_pipe();
  Process p({.start_method = method}, stay, std::move(in));
  p.start();
  CHECK(read_line(out) == "started");
  CHECK(p.is_alive());
  CHECK(listed_as_active(p));
  CHECK_FALSE(p.exitcode().has_value());
  CHECK_FALSE(p.join(0s));
  CHECK_FALSE(p.join(-1s));
  if (signum == SIGTERM) p.terminate();
  if (signum == SIGKILL) p.kill();
  if (signum == SIGINT) p.interrupt();
  p.join();
  CHECK_FALSE(p.is_alive());
  CHECK_FALSE(listed_as_active(p));
  CHECK(p.exitcode() == -signum);
  CHECK(p.join(0s));
  p.terminate();  // Of one that has ended: nothing.
}

TEST_CASE("join: waits at least as long as it was told to") {
  auto [out, in] = os::make_pipe();
  Process p({.daemon = true}, stay, std::move(in));
  p.start();
  const auto before = std::chrono::steady_clock::now();
  CHECK_FALSE(p.join(20ms));
  CHECK(std::chrono::steady_clock::now() - before >= 20ms);
}

TEST_CASE("join: one thread joins while another asks and terminates") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process p({.start_method = method}, stay, std::move(in));
  p.start();
  std::vector<std::thread> joiners;
  std::atomic<int> joining{0};
  for (int i = 0; i < 3; ++i) {
    joiners.emplace_back([&] {
      ++joining;
      p.join();
    });
  }
  while (joining != 3) std::this_thread::yield();
  CHECK(read_line(out) == "started");
  CHECK(p.is_alive());
  p.terminate();
  for (auto& joiner : joiners) joiner.join();
  CHECK(p.exitcode() == -SIGTERM);
}

TEST_CASE("start: a process can be started, joined and destroyed by a thread that ends before it") {
  auto [out, in] = os::make_pipe();
  auto [go_out, go_in] = os::make_pipe();
  std::optional<Process> p;
  std::thread([&, from = std::move(go_out)]() mutable {
    p.emplace(ProcessOptions{.daemon = true}, wait_for_line, std::move(from));
    p->start();
  }).join();
  // Its leash is this process, not the thread that is gone.
  write_line(go_in, "go");
  p->join();
  CHECK(p->exitcode() == 0);
}

TEST_CASE("active_children: lists those that run, in the order of their start, and reaps the others") {
  auto [out, in] = os::make_pipe();
  Process a({.daemon = true}, stay, in.duplicate());
  Process b({.name = "b", .daemon = true}, stay, std::move(in));
  a.start();
  b.start();
  const auto before = active_children();
  REQUIRE(before.size() == 2);
  CHECK(before[0].pid() == a.pid());
  CHECK(before[1].name() == "b");
  CHECK(before[1].daemon());
  a.terminate();
  a.join();
  const auto after = active_children();
  REQUIRE(after.size() == 1);
  CHECK(after[0].is_alive());
  CHECK_FALSE(after[0].join(std::chrono::milliseconds(0)));
  after[0].kill();
  after[0].join();
  CHECK(after[0].exitcode() == -SIGKILL);
  CHECK(b.exitcode() == -SIGKILL);
  Process other([&] { after[0].terminate(); });
  other.start();
  other.join();
  CHECK(other.exitcode() == 1);
}

TEST_CASE("recursion: a tree of processes writes to one pipe, depth first") {
  auto [out, in] = os::make_pipe();
  Process root(grow_tree, in.get(), std::string());
  root.start();
  in.reset();
  CHECK(read_all(out) == "root\n0\n00\n01\n1\n10\n11\n");
}

TEST_CASE("sentinel: becomes readable when the process ends, even if a grandchild lives on") {
  const auto method = any_start_method();
  auto [alive_out, alive_in] = os::make_pipe();
  auto [go_out, go_in] = os::make_pipe();
  Process p(
      {.start_method = method},
      [](Fd alive, Fd go) {
        const pid_t grandchild = ::fork();
        if (grandchild == 0) sleep_for_ever();
        write_line(alive, std::to_string(grandchild));
        read_line(go);
        ::_exit(5);
      },
      std::move(alive_in), std::move(go_out));
  CHECK_THROWS_AS(p.sentinel(), UsageError);
  p.start();
  const pid_t grandchild = std::stoi(read_line(alive_out));
  CHECK_FALSE(readable(p.sentinel()));
  write_line(go_in, "go");
  CHECK(os::wait_readable(p.sentinel(), detail::Deadline::never()));
  p.join();
  CHECK(p.exitcode() == 5);
  ::kill(grandchild, SIGKILL);
}

TEST_CASE("lose_target_ref: what the target and the arguments hold is released in this process by start") {
  const auto method = any_start_method();
  auto held = std::make_shared<int>(1);
  const std::weak_ptr<int> watched = held;
  auto [out, in] = os::make_pipe();
  if (method == StartMethod::fork) {
    Process p([held = std::move(held), end = std::move(in)] {});
    p.start();
    CHECK(watched.expired());
    CHECK(read_all(out).empty());  // Would wait for ever if this process still held the other end.
  } else {
    Process p(
        {.start_method = method}, [](Fd) {}, std::move(in));
    p.start();
    CHECK(read_all(out).empty());
  }
}

TEST_CASE("fork: the target is destroyed in the child before it ends, so that what it owns is flushed") {
  auto [out, in] = os::make_pipe();
  struct Farewell {
    Fd to;
    explicit Farewell(Fd fd) : to(std::move(fd)) {}
    Farewell(Farewell&&) = default;
    ~Farewell() {
      if (to && current_process().name() == "child") write_line(to, "farewell");
    }
  };
  Process p({.name = "child"}, [f = Farewell(std::move(in))] {});
  p.start();
  CHECK(read_all(out) == "farewell\n");
}

TEST_CASE("many_processes: a hundred run to their end, and a hundred are terminated right after their start") {
  const auto method = any_start_method();
  const std::size_t count = method == StartMethod::spawn ? 10 : 100;
  std::vector<Process> processes;
  for (std::size_t i = 0; i < count; ++i) processes.emplace_back(ProcessOptions{.start_method = method}, nothing);
  for (auto& p : processes) p.start();
  for (auto& p : processes) p.join();
  for (auto& p : processes) CHECK(p.exitcode() == 0);
  processes.clear();

  for (std::size_t i = 0; i < count; ++i) {
    processes.emplace_back(ProcessOptions{.start_method = method}, [] { sleep_for_ever(); });
    processes.back().start();
  }
  for (auto& p : processes) p.terminate();
  for (auto& p : processes) p.join();
  for (auto& p : processes) CHECK(p.exitcode() == -SIGTERM);
  CHECK(active_children().empty());
}

TEST_CASE("interrupt, terminate: a signal sent right after the start is not lost") {
  const auto method = any_start_method();
  const int signum = GENERATE(SIGINT, SIGTERM);
  for (int i = 0; i < 20; ++i) {
    Process p({.start_method = method}, [] { sleep_for_ever(); });
    p.start();
    signum == SIGINT ? p.interrupt() : p.terminate();
    p.join();
    CHECK(p.exitcode() == -signum);
  }
}

TEST_CASE("move: a moved process is the same process, and one that is assigned to is joined first") {
  auto [out, in] = os::make_pipe();
  Process p(report_self, std::move(in));
  p.start();
  const auto pid = p.pid();
  Process q(std::move(p));
  CHECK(q.pid() == pid);
  q = Process(nothing);
  CHECK_FALSE(read_line(out).empty());
  CHECK_FALSE(q.pid().has_value());
}
