// Kills either end of a pipe: at each kill point, and at random moments under load. The other end gets what was sent whole, in
// order, and then learns of the death; nobody hangs. IPC_KILLS says how many random kills (default 100 of each kind).
#include <ipc/connection.hpp>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <random>
#include <string>

#include <ipc/wait.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/transport/pipe.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/pattern.hpp"
#include "tests/transport/bytes_of.hpp"

using namespace std::chrono_literals;
using ipc::Connection;
using ipc::test::ForkedChild;

namespace {

int kills() {
  const char* text = std::getenv("IPC_KILLS");
  return text != nullptr ? std::atoi(text) : 100;
}

constexpr std::size_t small_ring = 8192;

struct Ends {
  Connection ours;
  Connection theirs;
};
Ends make(std::size_t capacity) {
  auto ends = ipc::transport::make_pipe(true, capacity);
  return {Connection(std::move(ends.first)), Connection(std::move(ends.second))};
}

/// Sends without end.
void send_for_ever(Connection& to) {
  for (std::uint32_t i = 0;; ++i) to.send_bytes(ipc::test::pattern(i, small_ring));
}

/// Receives until the end; returns how many came. Throws when one is not as it was sent.
std::uint32_t receive_all(Connection& from) {
  for (std::uint32_t i = 0;; ++i) {
    ipc::Bytes bytes;
    try {
      bytes = from.recv_bytes();
    } catch (const ipc::EndOfFile&) {
      return i;
    }
    if (!ipc::test::is_pattern(bytes, i, small_ring)) throw std::runtime_error("a message is not what was sent");
  }
}

/// Sends until the peer is gone.
std::uint32_t send_until_broken(Connection& to) {
  for (std::uint32_t i = 0;; ++i) {
    try {
      to.send_bytes(ipc::test::pattern(i, small_ring));
    } catch (const ipc::BrokenPipe&) {
      return i;
    }
  }
}

void spin(unsigned times) {
  for (; times > 0; --times) asm volatile("");
}

/// Runs `body` with the other end in a child, which is killed when it has done so much and a random while longer.
template <class ChildBody, class Body>
void kill_at_random(unsigned seed, ChildBody child_body, Body body) {
  std::mt19937 random(seed);
  for (int i = 0; i < kills(); ++i) {
    Ends ends = make(random() % 2 == 0 ? small_ring : std::size_t{1} << 16);
    auto [go, start] = ipc::Pipe(false);
    ForkedChild child([&, &start = start] {
      ends.ours.close();
      start.send(true);
      child_body(ends.theirs);
    });
    ends.theirs.close();
    go.recv<bool>();
    const auto patience = random() % 200'000;
    ForkedChild killer([&] {
      ends.ours.close();
      spin(static_cast<unsigned>(patience));
      child.kill();
    });
    body(ends.ours);
  }
}

}  // namespace

TEST_CASE("Connection: a sender killed at random moments leaves only whole messages and the end of file") {
  kill_at_random(
      1, [](Connection& c) { send_for_ever(c); }, [](Connection& c) { receive_all(c); });
}

TEST_CASE("Connection: a receiver killed at random moments breaks its sender's pipe") {
  kill_at_random(
      2, [](Connection& c) { receive_all(c); }, [](Connection& c) { send_until_broken(c); });
}

TEST_CASE("Connection: either end of a conversation killed at random moments ends it") {
  kill_at_random(
      3,
      [](Connection& c) {
        for (std::uint32_t i = 0;; ++i) {
          c.send_bytes(ipc::test::pattern(i, small_ring));
          c.recv_bytes();
        }
      },
      [](Connection& c) {
        try {
          for (std::uint32_t i = 0;; ++i) {
            const auto bytes = c.recv_bytes();
            if (bytes.size() != ipc::test::pattern_size(i, small_ring)) throw std::runtime_error("a message is not what was sent");
            c.send_bytes(bytes);
          }
        } catch (const ipc::EndOfFile&) {
        } catch (const ipc::BrokenPipe&) {
        }
      });
}

TEST_CASE("Connection: a sender killed at each of its kill points") {
  const auto* point = GENERATE("pipe.promised", "pipe.before_publish", "pipe.before_bell");
  for (int nth = 1; nth <= 12; ++nth) {
    Ends ends = make(small_ring);
    ForkedChild child([&] {
      ends.ours.close();
      ipc::base::arm_kill_point(point, nth);
      send_for_ever(ends.theirs);
    });
    ends.theirs.close();
    receive_all(ends.ours);
    CHECK(child.wait() == -SIGKILL);
  }
}

TEST_CASE("Connection: a receiver killed at each of its kill points") {
  const auto* point = GENERATE("pipe.owed", "pipe.bell_wanted", "pipe.before_sleep");
  for (int nth = 1; nth <= 5; ++nth) {
    Ends ends = make(small_ring);
    ForkedChild child([&] {
      ends.ours.close();
      ipc::base::arm_kill_point(point, nth);
      receive_all(ends.theirs);
    });
    ends.theirs.close();
    // Whoever is to go to sleep must find nothing for a while.
    for (std::uint32_t i = 0;; ++i) {
      try {
        ends.ours.send_bytes(ipc::test::pattern(i, small_ring));
        spin(i % 20 == 0 ? 300'000 : 0);
      } catch (const ipc::BrokenPipe&) {
        break;
      }
    }
    CHECK(child.wait() == -SIGKILL);
  }
}

TEST_CASE("Connection: the heir of a sender killed inside of a message cannot send, and the message is not returned") {
  Ends ends = make(std::size_t{1} << 20);
  ForkedChild child([&] {
    ipc::base::arm_kill_point("pipe.before_publish", 4);
    ends.theirs.send_bytes("whole");
    ends.theirs.send_bytes(std::string(200'000, 'x'));
  });
  CHECK(child.wait() == -SIGKILL);
  CHECK_THROWS_AS(ends.theirs.send_bytes("after"), ipc::BrokenPipe);
  ends.theirs.close();
  CHECK(ends.ours.recv_bytes().size() == 5);
  CHECK_THROWS_AS(ends.ours.recv_bytes(), ipc::EndOfFile);
}

TEST_CASE("Connection: the heir of a sender killed before it published goes on behind what it had published") {
  const auto published = GENERATE(0, 1, 2);
  Ends ends = make(small_ring);
  ends.theirs.send_bytes("ours");
  ForkedChild child([&] {
    ipc::base::arm_kill_point("pipe.before_publish", published + 1);
    for (;;) ends.theirs.send_bytes("its own");
  });
  CHECK(child.wait() == -SIGKILL);
  // As long as the one that was never published.
  ends.theirs.send_bytes("heirs'!");
  ends.theirs.close();
  CHECK(ipc::test::text_of(ends.ours.recv_bytes()) == "ours");
  for (int i = 0; i < published; ++i) CHECK(ipc::test::text_of(ends.ours.recv_bytes()) == "its own");
  CHECK(ipc::test::text_of(ends.ours.recv_bytes()) == "heirs'!");
  CHECK_THROWS_AS(ends.ours.recv_bytes(), ipc::EndOfFile);
}

TEST_CASE("Connection: the heir of a receiver killed inside of a message goes on with the next") {
  Ends ends = make(small_ring);
  ForkedChild child([&] {
    ipc::base::arm_kill_point("pipe.owed", 1);
    ends.theirs.recv_bytes();
  });
  ForkedChild sender([&] {
    ends.theirs.close();
    ends.ours.send_bytes(std::string(5 * small_ring, 'x'));
    ends.ours.send_bytes("next");
  });
  CHECK(child.wait() == -SIGKILL);
  CHECK(ends.theirs.recv_bytes().size() == 4);
  CHECK(sender.wait() == 0);
}

TEST_CASE("Connection: descriptors whose sender was killed before their message do not come with another") {
  Ends ends = make(small_ring);
  ForkedChild child([&] {
    ipc::base::arm_kill_point("pipe.descriptors_sent", 2);
    ends.theirs.send(ipc::Fd::duplicate_of(0));
    ends.theirs.send(ipc::Fd(::open("/dev/zero", O_RDONLY | O_CLOEXEC)));
  });
  CHECK(child.wait() == -SIGKILL);
  ends.ours.recv<ipc::Fd>();
  // They are no message, and nobody who looks for one spins for them.
  const auto cpu_before = std::clock();
  CHECK_FALSE(ends.ours.poll());
  CHECK_FALSE(ends.ours.poll(100ms));
  CHECK(ipc::wait({ends.ours}, 100ms).empty());
  CHECK(std::clock() - cpu_before < CLOCKS_PER_SEC / 10);
  const ipc::Fd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  struct stat expected {};
  ::fstat(null.get(), &expected);
  ends.theirs.send(null);
  struct stat got {};
  ::fstat(ends.ours.recv<ipc::Fd>().get(), &got);
  CHECK(got.st_rdev == expected.st_rdev);
  CHECK_FALSE(ends.ours.poll());
}

TEST_CASE("Connection: descriptors whose sender was killed before their message do not disturb the heir's plain ones") {
  Ends ends = make(small_ring);
  ForkedChild child([&] {
    ipc::base::arm_kill_point("pipe.descriptors_sent");
    ends.theirs.send(ipc::Fd::duplicate_of(0));
  });
  CHECK(child.wait() == -SIGKILL);
  pollfd socket{ends.ours.fileno(), POLLIN, 0};
  // One that goes through the ring in pieces, too.
  ForkedChild heir([&] {
    ends.theirs.send_bytes(std::string(5 * small_ring, 'x'));
    ends.theirs.send(1);
  });
  CHECK(ends.ours.recv_bytes().size() == 5 * small_ring);
  CHECK(ends.ours.recv<int>() == 1);
  CHECK(heir.wait() == 0);
  CHECK_FALSE(ends.ours.poll());
  CHECK(::poll(&socket, 1, 0) == 0);
}

TEST_CASE("Connection: the heir of a receiver killed with descriptors in its hands goes on with the next message") {
  Ends ends = make(small_ring);
  ends.ours.send(ipc::Fd::duplicate_of(0));
  ends.ours.send(ipc::Fd::duplicate_of(0));
  ForkedChild child([&] {
    auto message = ends.theirs.recv<ipc::Fd>();
    ipc::base::arm_kill_point("pipe.owed");
    ends.theirs.recv<ipc::Fd>();
  });
  CHECK(child.wait() == -SIGKILL);
  CHECK_FALSE(ends.theirs.poll());
  ends.ours.send(ipc::Fd::duplicate_of(0));
  CHECK(ends.theirs.recv<ipc::Fd>().get() >= 0);
  ends.ours.send(3);
  CHECK(ends.theirs.recv<int>() == 3);
}
