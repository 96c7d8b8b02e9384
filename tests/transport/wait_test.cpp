// CPython's TestWait, by its names, and what it leaves open.
#include <ipc/wait.hpp>

#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <ipc/connection.hpp>

#include "ipc/os/pidfd.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using ipc::Connection;
using ipc::test::ForkedChild;
using namespace std::chrono_literals;

namespace {

using Indices = std::vector<std::size_t>;

bool readable_in(int epoll) {
  epoll_event event{};
  return ::epoll_wait(epoll, &event, 1, 0) == 1;
}

struct Epoll {
  explicit Epoll(int fd) {
    epoll_event event{.events = EPOLLIN, .data = {}};
    if (::epoll_ctl(number, EPOLL_CTL_ADD, fd, &event) != 0) throw std::system_error(errno, std::generic_category(), "epoll_ctl");
  }
  ~Epoll() { ::close(number); }
  bool ready() const { return readable_in(number); }
  int number = ::epoll_create1(EPOLL_CLOEXEC);
};

}  // namespace

TEST_CASE("wait: test_wait, test_wait_slow") {
  const bool slow = GENERATE(false, true);
  std::vector<Connection> readers;
  std::vector<ForkedChild> children;
  for (int i = 0; i < 4; ++i) {
    auto [r, w] = ipc::Pipe(false);
    children.emplace_back([&r = r, &w = w, i, slow] {
      r.close();
      for (int j = 0; j < 10; ++j) {
        if (slow) std::this_thread::sleep_for(std::chrono::milliseconds((j * 7 + i * 3) % 10));
        w.send(std::pair(j, i));
      }
    });
    w.close();
    readers.push_back(std::move(r));
  }
  std::vector<std::pair<int, int>> messages;
  while (!readers.empty()) {
    const std::vector<ipc::Waitable> all(readers.begin(), readers.end());
    const Indices ready = ipc::wait(all);
    REQUIRE_FALSE(ready.empty());
    for (auto i = ready.rbegin(); i != ready.rend(); ++i) {
      try {
        messages.push_back(readers[*i].recv<std::pair<int, int>>());
      } catch (const ipc::EndOfFile&) {
        readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(*i));
      }
    }
  }
  std::sort(messages.begin(), messages.end());
  std::vector<std::pair<int, int>> expected;
  for (int j = 0; j < 10; ++j) {
    for (int i = 0; i < 4; ++i) expected.emplace_back(j, i);
  }
  CHECK(messages == expected);
}

TEST_CASE("wait: test_wait_socket, test_wait_socket_slow") {
  const bool slow = GENERATE(false, true);
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  const ipc::Fd here(ends[0]);
  ipc::Fd there(ends[1]);
  CHECK(ipc::wait({here.get()}, 0s).empty());
  ForkedChild child([&] {
    if (slow) std::this_thread::sleep_for(20ms);
    return ::write(there.get(), "x", 1) == 1 ? 0 : 1;
  });
  CHECK(ipc::wait({here}) == Indices{0});
  char c = 0;
  CHECK(::read(here.get(), &c, 1) == 1);
  there.reset();
  child.wait();
  CHECK(ipc::wait({here}) == Indices{0});  // The end of file.
}

TEST_CASE("wait: test_poll_eintr") {
  static std::atomic<int> signals{0};
  struct sigaction action {};
  struct sigaction before {};
  action.sa_handler = [](int) { ++signals; };
  REQUIRE(::sigaction(SIGUSR1, &action, &before) == 0);  // Without SA_RESTART.
  auto [a, b] = ipc::Pipe();
  ForkedChild child([&b = b, waiter = ::getpid()] {
    for (int i = 0; i < 20; ++i) {
      ::kill(waiter, SIGUSR1);
      std::this_thread::sleep_for(1ms);
    }
    b.send(1);
  });
  CHECK(ipc::wait({a}) == Indices{0});
  CHECK(a.poll(1h));
  CHECK(a.recv<int>() == 1);
  CHECK(child.wait() == 0);
  CHECK(signals > 0);
  ::sigaction(SIGUSR1, &before, nullptr);
}

TEST_CASE("wait: test_wait_timeout") {
  auto [a, b] = ipc::Pipe();
  const auto start = std::chrono::steady_clock::now();
  CHECK(ipc::wait({a, b}, 100ms).empty());
  CHECK(std::chrono::steady_clock::now() - start >= 100ms);
  b.send(1);
  CHECK(ipc::wait({a, b}, 1h) == Indices{0});
  CHECK(ipc::wait({a, b}, 1h) == Indices{0});
}

TEST_CASE("wait: test_wait_integer") {
  auto [a, b] = ipc::Pipe();
  auto [go, start] = ipc::Pipe();
  ForkedChild child([&go = go] { go.recv<int>(); });
  const ipc::Fd sentinel = ipc::os::open_pidfd(child.pid());
  CHECK(ipc::wait({a, sentinel, b}, 0s).empty());
  start.send(0);
  CHECK(ipc::wait({a, sentinel, b}, 1h) == Indices{1});
  a.send(1);
  CHECK(ipc::wait({a, sentinel, b}) == Indices{1, 2});
  b.send(2);
  CHECK(ipc::wait({a, sentinel, b}) == Indices{0, 1, 2});
  CHECK(child.wait() == 0);
}

TEST_CASE("wait: test_neg_timeout") {
  auto [a, b] = ipc::Pipe();
  CHECK(ipc::wait({a}, -1s).empty());
  CHECK(ipc::wait(std::initializer_list<ipc::Waitable>{}, 0s).empty());
}

TEST_CASE("wait: test_invalid_handles") {
  CHECK_THROWS_AS(ipc::wait({-1}, 0s), std::invalid_argument);
  CHECK_THROWS_AS(ipc::wait({1'000'000}, 0s), std::system_error);
  const Connection closed;
  CHECK_THROWS_AS(ipc::wait({closed}, 0s), ipc::UsageError);
}

TEST_CASE("wait: the end of a peer makes its connection ready") {
  auto [a, b] = ipc::Pipe();
  ForkedChild child([&a = a, &b = b] {
    a.close();
    b.recv<int>();
  });
  b.close();
  CHECK(ipc::wait({a}, 0s).empty());
  child.kill();
  CHECK(ipc::wait({a}) == Indices{0});
  CHECK_THROWS_AS(a.recv<int>(), ipc::EndOfFile);
}

// --- fileno ----------------------------------------------------------------------------------------------------------------

TEST_CASE("Connection: fileno is readable when there are messages, however many were received, and silent otherwise") {
  auto [a, b] = ipc::Pipe();
  SECTION("asked for before anything was sent") {
    const Epoll epoll(b.fileno());
    CHECK_FALSE(epoll.ready());
    a.send(1);
    a.send(2);
    CHECK(epoll.ready());
    CHECK(epoll.ready());
    CHECK(b.recv<int>() == 1);
    CHECK(epoll.ready());
    CHECK(b.recv<int>() == 2);
    CHECK_FALSE(epoll.ready());
    CHECK_FALSE(b.poll());
    a.send_bytes("");
    CHECK(epoll.ready());
    CHECK(b.poll());
    CHECK(epoll.ready());
    b.recv_bytes();
    CHECK_FALSE(epoll.ready());
    a.close();
    CHECK(epoll.ready());
  }
  SECTION("asked for with messages there") {
    a.send(1);
    a.send(2);
    CHECK(b.recv<int>() == 1);
    const Epoll epoll(b.fileno());
    CHECK(epoll.ready());
    CHECK(b.recv<int>() == 2);
    CHECK_FALSE(epoll.ready());
  }
  SECTION("asked for with nothing left of what was there, and messages that carry descriptors") {
    a.send(ipc::Fd::duplicate_of(0));
    a.send(1);
    b.recv<ipc::Fd>();
    b.recv<int>();
    const Epoll epoll(b.fileno());
    CHECK_FALSE(epoll.ready());
    a.send(ipc::Fd::duplicate_of(0));
    a.send(ipc::Fd::duplicate_of(0));
    CHECK(epoll.ready());
    b.recv<ipc::Fd>();
    CHECK(epoll.ready());
    b.recv<ipc::Fd>();
    CHECK_FALSE(epoll.ready());
    a.send(1);
    a.send(ipc::Fd::duplicate_of(0));
    a.send(1);
    b.recv<int>();
    CHECK(epoll.ready());
    b.recv<ipc::Fd>();
    CHECK(epoll.ready());
    b.recv<int>();
    CHECK_FALSE(epoll.ready());
  }
}

TEST_CASE("Connection: fileno tells poll's answer after every sequence of operations") {
  std::mt19937 random(11);
  for (int trial = 0; trial < 300; ++trial) {
    auto [a, b] = ipc::Pipe();
    std::size_t unread = 0;
    for (auto before = random() % 6; before > 0; --before) {
      if (random() % 2 == 0) {
        a.send(1);
        ++unread;
      } else if (unread != 0) {
        b.recv<int>();
        --unread;
      } else {
        b.poll(random() % 2 == 0 ? 0us : 100us);
      }
    }
    const Epoll epoll(b.fileno());
    bool right = epoll.ready() == (unread != 0);
    for (int step = 0; step < 30; ++step) {
      switch (random() % 4) {
        case 0:
        case 1:
          a.send(step);
          ++unread;
          break;
        case 2:
          if (unread != 0) {
            b.recv<int>();
            --unread;
          }
          break;
        default:
          right = right && b.poll(random() % 2 == 0 ? 0us : 50us) == (unread != 0);
          if (random() % 4 == 0) right = right && ipc::wait({b}, 0s).size() == (unread != 0 ? 1u : 0u);
      }
      right = right && epoll.ready() == (unread != 0);
    }
    REQUIRE(right);
  }
}

// An event loop that receives once for each time it is told, and never polls: neither may it be told for nothing, nor be left
// untold. The sender bursts and pauses at random, in a process of its own.
TEST_CASE("Connection: an event loop gets every message of a sender that it races with") {
  constexpr int count = 20000;
  auto [a, b] = ipc::Pipe();
  ForkedChild child([&a = a, &b = b] {
    b.close();
    std::mt19937 random(5);
    for (int i = 0; i < count; ++i) {
      a.send(i);
      if (random() % 8 == 0) {
        for (auto spin = random() % 3000; spin > 0; --spin) asm volatile("");
      }
    }
  });
  a.close();
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  epoll_event event{.events = EPOLLIN, .data = {}};
  REQUIRE(::epoll_ctl(epoll, EPOLL_CTL_ADD, b.fileno(), &event) == 0);
  int received = 0;
  for (;;) {
    if (::epoll_wait(epoll, &event, 1, -1) != 1) continue;
    try {
      const int got = b.recv<int>();
      REQUIRE(got == received);
      ++received;
    } catch (const ipc::EndOfFile&) {
      break;
    }
  }
  CHECK(received == count);
  ::close(epoll);
  CHECK(child.wait() == 0);
}
