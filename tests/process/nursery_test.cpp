#include <sys/resource.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <system_error>
#include <thread>

#include "ipc/os/socket.hpp"
#include "ipc/process/child_source.hpp"
#include "ipc/process/letter.hpp"
#include "ipc/process/nursery.hpp"
#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;
using detail::Deadline;
using detail::Message;
using process::Nursery;

namespace {

Message message_of(std::size_t size, std::size_t fd_count = 0) {
  Message message;
  message.bytes.resize(size, std::byte{7});
  for (std::size_t i = 0; i < fd_count; ++i) message.fds.push_back(Fd::duplicate_of(STDERR_FILENO));
  return message;
}

int count_descriptors() {
  int count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) ++count;
  return count;
}

// The children's main function in these tests: answers through the message's first descriptor.
int answer(Message& message) {
  write_line(message.fds.at(0), current_process().name() + " child of " + parent_process()->name() + " " +
                                    std::to_string(parent_process()->pid()) + " got " + std::to_string(message.bytes.size()));
  return static_cast<int>(message.bytes.size() & 0x7f);
}

int count(Message& message) {
  const int descriptors = count_descriptors();
  write_line(message.fds.at(0), std::to_string(descriptors));
  if (!message.bytes.empty()) sleep_for_ever();
  return 0;
}

Message asking(std::size_t size, const Fd& to) {
  Message message = message_of(size);
  message.fds.push_back(to.duplicate());
  return message;
}

}  // namespace

TEST_CASE("letter: arrives whole, whatever its size and however many descriptors it has") {
  const std::size_t size = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{32'000}, std::size_t{33'000}, std::size_t{3'000'000});
  const std::size_t fds = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{252}, std::size_t{253}, std::size_t{300});
  auto [a, b] = os::packet_socket_pair();
  const Message message = message_of(size, fds);
  const std::array<std::byte, 3> head{std::byte{1}, std::byte{2}, std::byte{3}};
  REQUIRE(process::send_letter(a.get(), head, message.bytes, message.fds));
  const auto letter = process::receive_letter(b.get());
  REQUIRE(letter.has_value());
  CHECK(letter->head == Bytes(head.begin(), head.end()));
  CHECK(letter->body.bytes == message.bytes);
  CHECK(letter->body.fds.size() == fds);
  a.reset();
  CHECK_FALSE(process::receive_letter(b.get()).has_value());
  CHECK_FALSE(process::send_letter(b.get(), head, {}, {}));
}

TEST_CASE("child source: children of every kind get the message, their name and the parent, and give their exit code") {
  const auto method = any_start_method();
  const auto token = detail::token_of(reinterpret_cast<const void*>(&answer));
  const auto source = process::make_child_source(method, answer, token, "Workers");
  auto [out, in] = os::make_pipe();
  for (const std::size_t size : {std::size_t{3}, std::size_t{100'000}}) {
    auto child = source->launch("PoolWorker-3", asking(size, in));
    CHECK(child.wait(Deadline::never()) == static_cast<int>(size & 0x7f));
    CHECK(child.poll() == static_cast<int>(size & 0x7f));
    CHECK(read_line(out) == "PoolWorker-3 child of MainProcess " + std::to_string(::getpid()) + " got " + std::to_string(size));
  }
}

TEST_CASE("child source: workers ignore SIGINT and die by SIGTERM, whatever this process does with them") {
  const auto method = any_start_method();
  std::signal(SIGTERM, SIG_IGN);
  const auto entry = [](Message& message) -> int {
    ::raise(SIGINT);
    write_line(message.fds.at(0), "survived SIGINT");
    sleep_for_ever();
  };
  const auto source = process::make_child_source(
      method, entry, detail::token_of(reinterpret_cast<const void*>(static_cast<int (*)(Message&)>(entry))), "Workers");
  auto [out, in] = os::make_pipe();
  auto child = source->launch("Worker-1", asking(0, in));
  CHECK(read_line(out) == "survived SIGINT");
  child.signal(SIGTERM);
  CHECK(child.wait(Deadline::never()) == -SIGTERM);
  std::signal(SIGTERM, SIG_DFL);
}

TEST_CASE("nursery: its children are copies of the process as it was when the nursery was made") {
  int value = 1;
  Nursery nursery([&](Message&) { return value; }, "Worker-1");
  value = 2;
  CHECK(nursery.launch({}).wait(Deadline::never()) == 1);
}

TEST_CASE("nursery: forks for a process with many threads, and outlives the thread that made it") {
  std::unique_ptr<Nursery> nursery;
  std::thread([&] { nursery = std::make_unique<Nursery>([](Message& m) { return static_cast<int>(m.bytes.size()); }, "Worker-1"); }).join();
  std::vector<std::thread> threads;
  std::vector<std::optional<int>> exitcodes(8);
  for (std::size_t i = 0; i < exitcodes.size(); ++i) {
    threads.emplace_back([&, i] { exitcodes[i] = nursery->launch(message_of(i)).wait(Deadline::never()); });
  }
  for (auto& thread : threads) thread.join();
  for (std::size_t i = 0; i < exitcodes.size(); ++i) CHECK(exitcodes[i] == static_cast<int>(i));
}

TEST_CASE("nursery: a child has as many descriptors whether it has siblings or not") {
  Nursery nursery(count, "Worker-1");
  auto [out, in] = os::make_pipe();
  nursery.launch(asking(0, in)).wait(Deadline::never());
  const std::string alone = read_line(out);
  std::vector<process::Child> siblings;
  for (int i = 0; i < 5; ++i) {
    siblings.push_back(nursery.launch(asking(1, in)));
    CHECK(read_line(out) == alone);
  }
}

TEST_CASE("nursery: its end is the end of its children, and they are reaped") {
  auto [lifeline, end] = os::make_pipe();
  {
    auto [out, in] = os::make_pipe();
    Nursery nursery(
        [held = std::make_shared<Fd>(std::move(end))](Message& m) {
          stay(std::move(m.fds.at(0)));
          return 0;
        },
        "Worker-1");
    auto child = nursery.launch(asking(0, in));
    CHECK(read_line(out) == "started");
  }
  wait_for_hang_up(lifeline);
}

TEST_CASE("nursery: an exception in a child is reported and its status is 1; so are children that exit") {
  Nursery nursery(
      [](Message& m) -> int {
        if (m.bytes.empty()) throw 1;
        std::exit(9);
      },
      "Worker-1");
  CHECK(nursery.launch({}).wait(Deadline::never()) == 1);
  CHECK(nursery.launch(message_of(1)).wait(Deadline::never()) == 9);
}

// The sanitizers look at memory through a pipe, and take a process without free descriptors for a broken one.
#ifndef __SANITIZE_ADDRESS__
TEST_CASE("nursery: a process without free descriptors gets an error instead of a child, and can launch later") {
  // In a child, whose limit this is.
  Process p([] {
    Nursery nursery(
        [](Message& m) {
          if (m.bytes.empty()) sleep_for_ever();
          return 5;
        },
        "Worker-1");
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = 3;  // Descriptors that are open stay so, but there can be no more.
    ::setrlimit(RLIMIT_NOFILE, &limit);
    bool refused = false;
    try {
      nursery.launch({});
    } catch (const std::system_error& e) {
      refused = e.code().value() == EMFILE;
    }
    limit.rlim_cur = before;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    return refused ? nursery.launch(message_of(1)).wait(Deadline::never()).value_or(99) : 98;
  });
  p.start();
  p.join();
  CHECK(p.exitcode() == 5);
}
#endif

TEST_CASE("nursery: workers can have children of their own, numbered after them") {
  auto [out, in] = os::make_pipe();
  Nursery nursery(
      [](Message& m) {
        Process child([&] { write_line(m.fds.at(0), current_process().name() + " of " + parent_process()->name()); });
        child.start();
        return 0;
      },
      "Worker");
  nursery.launch("PoolWorker-4", asking(0, in)).wait(Deadline::never());
  CHECK(read_line(out) == "Process-4:1 of PoolWorker-4");
}
