#include <chrono>
#include <thread>

#include <ipc/error.hpp>

#include "ipc/os/pidfd.hpp"
#include "ipc/process/fork_server.hpp"
#include "ipc/process/nursery.hpp"
#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;

namespace {

void stay_with(Fd started, Fd) { stay(std::move(started)); }

// Starts a daemon from the main thread or from one that ends at once, says so, and stays.
void keep_daemon(Fd ready, Fd lifeline, StartMethod method, bool other_thread) {
  auto [out, in] = os::make_pipe();
  Process daemon({.daemon = true, .start_method = method}, stay_with, std::move(in), std::move(lifeline));
  if (other_thread) {
    std::thread([&] { daemon.start(); }).join();
  } else {
    daemon.start();
  }
  read_line(out);
  write_line(ready, std::to_string(method == StartMethod::forkserver ? process::fork_server_pid() : 0));
  sleep_for_ever();
}

void tell_of_parent(Fd to) {
  const auto parent = parent_process();
  write_line(to, parent->is_alive() && !parent->join(std::chrono::milliseconds(0)) ? "alive" : "not alive");
  parent->join();
  write_line(to, parent->is_alive() ? "alive" : "not alive");
}

}  // namespace

TEST_CASE("orphans: daemons and fork servers leave when their parent is killed, whichever thread started them") {
  const auto method = any_start_method();
  const bool other_thread = GENERATE(false, true);
  auto [out, in] = os::make_pipe();
  auto [lifeline, end_of_daemon] = os::make_pipe();
  Process parent({.start_method = GENERATE(StartMethod::fork, StartMethod::spawn)}, keep_daemon, std::move(in), std::move(end_of_daemon),
                 method, other_thread);
  parent.start();
  const pid_t server = std::stoi(read_line(out));
  const Fd server_pidfd = server == 0 ? Fd() : os::open_pidfd(server);
  CHECK_FALSE(readable(lifeline.get()));
  parent.kill();
  wait_for_hang_up(lifeline);
  if (server_pidfd) CHECK(os::wait_readable(server_pidfd.get(), detail::Deadline::never()));
}

TEST_CASE("parent_process: a process that is no daemon outlives its killed parent, and notices") {
  const auto method = any_start_method();
  auto [out, in] = os::make_pipe();
  Process parent([method, to = std::move(in)]() mutable {
    Process child({.start_method = method}, tell_of_parent, std::move(to));
    child.start();
    sleep_for_ever();
  });
  parent.start();
  CHECK(read_line(out) == "alive");
  parent.terminate();
  CHECK(read_line(out) == "not alive");
}

TEST_CASE("orphans: a nursery and its children leave when the parent is killed") {
  auto [out, in] = os::make_pipe();
  auto [lifeline, end_of_all] = os::make_pipe();
  Process parent([to = std::move(in), held = std::move(end_of_all)]() mutable {
    auto [started_out, started_in] = os::make_pipe();
    process::Nursery nursery(
        [started = started_in.get()](detail::Message&) {
          stay(Fd(started));
          return 0;
        },
        "Worker-1");
    auto first = nursery.launch({});
    auto second = nursery.launch({});
    read_line(started_out);
    read_line(started_out);
    write_line(to, "ready");
    sleep_for_ever();
  });
  parent.start();
  CHECK(read_line(out) == "ready");
  CHECK_FALSE(readable(lifeline.get()));
  parent.kill();
  wait_for_hang_up(lifeline);  // All of them have inherited the other end.
}

TEST_CASE("orphans: the children of a killed nursery die, and launching throws") {
  auto [out, in] = os::make_pipe();
  process::Nursery nursery(
      [started = in.get()](detail::Message&) {
        stay(Fd(started));
        return 0;
      },
      "Worker-1");
  auto child = nursery.launch({});
  CHECK(read_line(out) == "started");
  CHECK_FALSE(child.poll().has_value());
  ::kill(nursery.pid(), SIGKILL);
  CHECK(os::wait_readable(nursery.pidfd(), detail::Deadline::never()));
  CHECK(child.wait(detail::Deadline::never()) == process::Child::unknown_exitcode);
  CHECK(child.status_lost());
  CHECK_THROWS_AS(nursery.launch({}), Error);
}

TEST_CASE("forkserver_sigint: the fork server ignores SIGINT") {
  Process first({.start_method = StartMethod::forkserver}, [] {});
  first.start();
  first.join();
  const pid_t server = process::fork_server_pid();
  ::kill(server, SIGINT);
  Process second({.start_method = StartMethod::forkserver}, [] {});
  second.start();
  second.join();
  CHECK(second.exitcode() == 0);
  CHECK(process::fork_server_pid() == server);
}

TEST_CASE("forkserver_sigkill: a killed fork server is replaced; its children live on with an unknown exit code, its daemons die") {
  auto [out, in] = os::make_pipe();
  auto [go_out, go_in] = os::make_pipe();
  auto [daemon_out, daemon_in] = os::make_pipe();
  Process child(
      {.start_method = StartMethod::forkserver},
      [](Fd to, Fd go) {
        write_line(to, "started");
        read_line(go);
        write_line(to, "ends");
      },
      std::move(in), std::move(go_out));
  Process daemon({.daemon = true, .start_method = StartMethod::forkserver}, stay, std::move(daemon_in));
  child.start();
  daemon.start();
  CHECK(read_line(out) == "started");
  CHECK(read_line(daemon_out) == "started");
  const pid_t server = process::fork_server_pid();
  ::kill(server, SIGKILL);
  daemon.join();
  CHECK(daemon.exitcode() == 255);
  CHECK(child.is_alive());

  Process next({.start_method = StartMethod::forkserver}, [] { return 4; });
  next.start();
  next.join();
  CHECK(next.exitcode() == 4);
  CHECK(process::fork_server_pid() != server);

  write_line(go_in, "go");
  CHECK(read_line(out) == "ends");
  child.join();
  CHECK(child.exitcode() == 255);
}

TEST_CASE("forkserver_sigkill: processes started while the fork server is being killed run once or start throws, and none is lost") {
  auto [out, in] = os::make_pipe();
  int started = 0;
  for (int i = 0; i < 20; ++i) {
    Process before({.start_method = StartMethod::forkserver}, [] {});
    before.start();
    ::kill(process::fork_server_pid(), SIGKILL);  // It may die before, while or after it gets the next request.
    Process p(
        {.start_method = StartMethod::forkserver}, [](Fd to) { write_line(to, "ran"); }, in.duplicate());
    p.start();
    p.join();
    if (p.exitcode() == 0) ++started;
    CHECK((p.exitcode() == 0 || p.exitcode() == 255));
  }
  in.reset();
  int ran = 0;
  while (read_line(out) == "ran") ++ran;
  CHECK(ran >= started);
  CHECK(ran <= 20);
}
