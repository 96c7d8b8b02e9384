// Connections go to processes of every start method, as arguments and captured, and to a pool's tasks.
#include <ipc/connection.hpp>

#include <string>

#include <ipc/error.hpp>
#include <ipc/pool.hpp>
#include <ipc/process.hpp>
#include <ipc/wait.hpp>

#include "tests/process/children.hpp"
#include "tests/support/catch.hpp"

using ipc::Connection;

namespace {

void add_one(Connection connection) { connection.send(connection.recv<int>() + 1); }

int answer(Connection connection, int x) {
  connection.send(std::to_string(x));
  return connection.recv<int>();
}

struct Job {
  int x = 0;
  Connection reply;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& x& reply;
  }
};

struct Worker {
  Job job;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& job;
  }
  void operator()() { job.reply.send(job.x + 1); }
};

void work_on(Job job) { job.reply.send(job.x + 1); }

void send_shouted(Connection& connection) { connection.send(connection.recv<std::string>() + "!"); }

}  // namespace

TEST_CASE("Connection: moves into a process of every start method as an argument") {
  const auto method = ipc::test::any_start_method();
  auto [parent, child] = ipc::Pipe();
  ipc::Process p({.start_method = method}, add_one, std::move(child));
  p.start();
  parent.send(41);
  CHECK(parent.recv<int>() == 42);
  CHECK_THROWS_AS(parent.recv<int>(), ipc::EndOfFile);
  p.join();
  CHECK(p.exitcode() == 0);
}

TEST_CASE("Connection: moves into a process of every start method in a class with a serialize") {
  const auto method = ipc::test::any_start_method();
  auto [parent, child] = ipc::Pipe();
  ipc::Process p({.start_method = method}, work_on, Job{.x = 41, .reply = std::move(child)});
  p.start();
  CHECK(parent.recv<int>() == 42);
  p.join();
  CHECK(p.exitcode() == 0);
  // The callable may be such a class, too.
  auto [here, there] = ipc::Pipe();
  ipc::Process q({.start_method = method}, Worker{Job{.x = 1, .reply = std::move(there)}});
  q.start();
  CHECK(here.recv<int>() == 2);
  q.join();
  CHECK(q.exitcode() == 0);
}

TEST_CASE("Connection: is captured by the callable of a forked process") {
  auto [parent, child] = ipc::Pipe();
  ipc::Process p([c = std::move(child)]() mutable { c.send(c.recv<int>() + 1); });
  p.start();
  parent.send(41);
  CHECK(parent.recv<int>() == 42);
  p.join();
}

TEST_CASE("Connection: with messages already in it moves with them") {
  const auto method = ipc::test::any_start_method();
  auto [parent, child] = ipc::Pipe();
  parent.send(std::string("first"));
  parent.send(std::string("second"));
  CHECK(child.recv<std::string>() == "first");
  ipc::Process p({.start_method = method}, send_shouted, std::move(child));
  p.start();
  CHECK(parent.recv<std::string>() == "second!");
  p.join();
}

TEST_CASE("Connection: is an argument of a pool's task") {
  ipc::Pool pool(2);
  auto [here, there] = ipc::Pipe();
  auto result = pool.apply_async(answer, std::move(there), 5);
  CHECK(here.recv<std::string>() == "5");
  here.send(6);
  CHECK(result.get() == 6);
  CHECK_THROWS_AS(here.recv<int>(), ipc::EndOfFile);
}

TEST_CASE("wait: a process is ready when it has ended") {
  auto [parent, child] = ipc::Pipe();
  ipc::Process p(add_one, std::move(child));
  p.start();
  CHECK(ipc::wait({parent, p}, std::chrono::seconds(0)).empty());
  parent.send(1);
  CHECK_FALSE(ipc::wait({parent, p}).empty());
  p.join();
  CHECK(ipc::wait({parent, p}) == std::vector<std::size_t>{0, 1});
}
