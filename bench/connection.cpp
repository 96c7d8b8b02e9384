// What a message costs between two processes: round trips and one way, small and large, awake and asleep, beside CPython's Pipe,
// Boost's message_queue, ZeroMQ where it is installed, and the floors: a cache line that goes to and fro, a bare ring, memcpy,
// a futex and a socket that wake somebody. Needs two processors that have nothing else to do.
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <boost/interprocess/ipc/message_queue.hpp>

#include <ipc/connection.hpp>
#include <ipc/main.hpp>

#include "bench/support/peer.hpp"
#include "bench/support/table.hpp"
#ifdef IPC_BENCH_ZMQ
#include "bench/support/zmq_pair.hpp"
#endif

namespace {

using Clock = std::chrono::steady_clock;
using ipc::bench::Contender;
namespace interprocess = boost::interprocess;

constexpr std::size_t small = 64;
constexpr std::size_t large = std::size_t{1} << 20;
constexpr int round_trips = 20'000;
constexpr int stream = 200'000;
constexpr int large_stream = 300;
constexpr int naps = 200;

struct Record {
  int number = 0;
  std::string name;
  std::vector<double> samples;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& number& name& samples;
  }
};

std::span<std::byte> bytes_of(std::vector<char>& text) { return std::as_writable_bytes(std::span(text)); }

double since(Clock::time_point start, int count) { return std::chrono::duration<double>(Clock::now() - start).count() / count; }

/// A process that runs until it is killed with this one.
class Helper {
 public:
  template <class F>
  explicit Helper(F body) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    try {
      body();
    } catch (...) {
    }
    ::_exit(0);
  }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;
  ~Helper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_;
};

template <class T>
T* shared() {
  void* at = ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return new (at) T();
}

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Ours: somebody who echoes, and somebody who counts.
struct Ours {
  Ours()
      : echo([this] { echo_bytes(ends[0].second); }),
        objects([this] { echo_objects(ends[1].second); }),
        counter([this] { count(ends[2].second); }) {}

  static void echo_bytes(ipc::Connection& c) {
    std::vector<char> buffer(small);
    for (;;) {
      const std::size_t size = c.recv_bytes_into(bytes_of(buffer));
      c.send_bytes(bytes_of(buffer).first(size));
    }
  }
  static void echo_objects(ipc::Connection& c) {
    for (;;) c.send(c.recv<Record>());
  }
  static void count(ipc::Connection& c) {
    std::vector<char> buffer(large);
    for (;;) {
      for (int left = c.recv<int>(); left > 0; --left) c.recv_bytes_into(bytes_of(buffer));
      c.send(true);
    }
  }

  double round_trip() {
    std::vector<char> message(small);
    ipc::Connection& c = ends[0].first;
    return ipc::bench::time_each(round_trips, [&] {
      c.send_bytes(bytes_of(message));
      c.recv_bytes_into(bytes_of(message));
    });
  }
  double parked_round_trip() {
    std::vector<char> message(small);
    ipc::Connection& c = ends[0].first;
    Clock::duration taken{};
    for (int i = 0; i < naps; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const auto start = Clock::now();
      c.send_bytes(bytes_of(message));
      c.recv_bytes_into(bytes_of(message));
      taken += Clock::now() - start;
    }
    return std::chrono::duration<double>(taken).count() / naps;
  }
  double struct_round_trip() {
    const Record record{7, "a name of a record", std::vector<double>(16, 1.5)};
    ipc::Connection& c = ends[1].first;
    return ipc::bench::time_each(round_trips, [&] {
      c.send(record);
      c.recv<Record>();
    });
  }
  double one_way(std::size_t size, int count) {
    std::vector<char> message(size);
    ipc::Connection& c = ends[2].first;
    const auto start = Clock::now();
    c.send(count);
    for (int i = 0; i < count; ++i) c.send_bytes(bytes_of(message));
    c.recv<bool>();
    return since(start, count);
  }

  std::array<std::pair<ipc::Connection, ipc::Connection>, 3> ends{ipc::Pipe(), ipc::Pipe(), ipc::Pipe()};
  Helper echo;
  Helper objects;
  Helper counter;
};

/// One cache line that two processes write in turn.
struct PingPong {
  struct Line {
    alignas(128) std::atomic<unsigned> word{0};
    alignas(128) std::atomic<bool> on{false};
  };
  double round_trip() {
    line->on = true;
    const double taken = ipc::bench::time_each(round_trips, [&] {
      const unsigned next = line->word.load(std::memory_order_relaxed) + 2;
      line->word.store(next - 1, std::memory_order_release);
      while (line->word.load(std::memory_order_acquire) != next) relax();
    });
    line->on = false;
    return taken;
  }
  Line* line = shared<Line>();
  Helper helper{[this] {
    for (;;) {
      while (!line->on) std::this_thread::sleep_for(std::chrono::microseconds(200));
      for (unsigned i = 0; i < 100'000; ++i) {
        const unsigned seen = line->word.load(std::memory_order_acquire);
        if (seen % 2 == 1) line->word.store(seen + 1, std::memory_order_release);
        relax();
      }
    }
  }};
};

/// The least that a ring of slots can do.
struct BareRing {
  static constexpr std::size_t slots = 4096;
  struct Ring {
    alignas(128) std::atomic<std::size_t> tail{0};
    alignas(128) std::atomic<std::size_t> head{0};
    alignas(128) std::atomic<int> expected{0};
    alignas(128) std::array<std::array<char, small>, slots> slot{};
  };
  double one_way() {
    const std::array<char, small> message{};
    const auto start = Clock::now();
    ring->expected = stream;
    for (int i = 0; i < stream; ++i) {
      const std::size_t tail = ring->tail.load(std::memory_order_relaxed);
      while (tail - head_seen == slots) head_seen = ring->head.load(std::memory_order_acquire);
      ring->slot[tail % slots] = message;
      ring->tail.store(tail + 1, std::memory_order_release);
    }
    while (ring->expected.load(std::memory_order_acquire) != 0) relax();
    return since(start, stream);
  }
  std::size_t head_seen = 0;
  Ring* ring = shared<Ring>();
  Helper helper{[this] {
    std::array<char, small> message{};
    std::size_t tail_seen = 0;
    for (;;) {
      while (ring->expected == 0) std::this_thread::sleep_for(std::chrono::microseconds(50));
      for (int left = ring->expected; left > 0; --left) {
        const std::size_t head = ring->head.load(std::memory_order_relaxed);
        while (tail_seen == head) tail_seen = ring->tail.load(std::memory_order_acquire);
        message = ring->slot[head % slots];
        asm volatile("" ::"r"(message.data()) : "memory");
        ring->head.store(head + 1, std::memory_order_release);
      }
      ring->expected.store(0, std::memory_order_release);
    }
  }};
};

struct MessageQueue {
  struct Names {
    Names() { remove(); }
    ~Names() { remove(); }
    static void remove() {
      interprocess::message_queue::remove("ipc-bench-there");
      interprocess::message_queue::remove("ipc-bench-back");
    }
  };
  double round_trip() {
    std::array<char, small> message{};
    return ipc::bench::time_each(round_trips / 4, [&] {
      send(there, 1);
      receive(back, message);
    });
  }
  double one_way() {
    const auto start = Clock::now();
    for (int i = 0; i < stream; ++i) send(there, i + 1 == stream ? 1 : 0);
    std::array<char, small> message{};
    receive(back, message);
    return since(start, stream);
  }
  static void send(interprocess::message_queue& queue, char answer) {
    std::array<char, small> message{answer};
    queue.send(message.data(), message.size(), 0);
  }
  static void receive(interprocess::message_queue& queue, std::array<char, small>& message) {
    std::size_t size = 0;
    unsigned priority = 0;
    queue.receive(message.data(), message.size(), size, priority);
  }
  Names names;
  interprocess::message_queue there{interprocess::create_only, "ipc-bench-there", 1024, small};
  interprocess::message_queue back{interprocess::create_only, "ipc-bench-back", 1024, small};
  Helper helper{[this] {
    std::array<char, small> message{};
    for (;;) {
      receive(there, message);
      if (message[0] != 0) send(back, 1);
    }
  }};
};

/// A socket that wakes somebody who is blocked in it.
struct BareSocket {
  static std::array<int, 2> pair() {
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) throw std::bad_alloc();
    return ends;
  }
  double parked_round_trip() {
    std::array<char, small> message{};
    Clock::duration taken{};
    for (int i = 0; i < naps; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const auto start = Clock::now();
      if (::send(ends[0], message.data(), message.size(), 0) < 0 || ::recv(ends[0], message.data(), message.size(), 0) < 0) std::abort();
      taken += Clock::now() - start;
    }
    return std::chrono::duration<double>(taken).count() / naps;
  }
  std::array<int, 2> ends = pair();
  Helper helper{[this] {
    std::array<char, small> message{};
    while (::recv(ends[1], message.data(), message.size(), 0) > 0) {
      if (::send(ends[1], message.data(), message.size(), 0) < 0) return;
    }
  }};
};

/// The same with a futex.
struct BareFutex {
  static void wait(std::atomic<unsigned>& word, unsigned seen) { ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, nullptr, nullptr, 0); }
  static void wake(std::atomic<unsigned>& word) { ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0); }
  double parked_round_trip() {
    Clock::duration taken{};
    for (int i = 0; i < naps; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const auto start = Clock::now();
      const unsigned next = words[1] + 1;
      ++words[0];
      wake(words[0]);
      while (words[1] != next) wait(words[1], next - 1);
      taken += Clock::now() - start;
    }
    return std::chrono::duration<double>(taken).count() / naps;
  }
  std::array<std::atomic<unsigned>, 2>& words = *shared<std::array<std::atomic<unsigned>, 2>>();
  Helper helper{[this] {
    for (unsigned seen = 0;;) {
      while (words[0] == seen) wait(words[0], seen);
      seen = words[0];
      words[1] = seen;
      wake(words[1]);
    }
  }};
};

double copy() {
  static std::vector<char> from(large, 'x');
  static std::vector<char> to(large);
  return ipc::bench::time_each(large_stream, [&] {
    std::memcpy(to.data(), from.data(), large);
    asm volatile("" ::"r"(to.data()) : "memory");
  });
}

/// Processor time of a process that is blocked for a second in recv.
double blocked_for_a_second() {
  auto [ours, theirs] = ipc::Pipe();
  Helper helper([&ours = ours, &theirs = theirs] {
    ours.close();
    rusage before{};
    ::getrusage(RUSAGE_SELF, &before);
    theirs.recv<int>();
    rusage after{};
    ::getrusage(RUSAGE_SELF, &after);
    const auto seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
    theirs.send(seconds(after.ru_utime) + seconds(after.ru_stime) - seconds(before.ru_utime) - seconds(before.ru_stime));
    theirs.recv<int>();
  });
  std::this_thread::sleep_for(std::chrono::seconds(1));
  ours.send(1);
  return ours.recv<double>();
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const auto peers = ipc::bench::cpython_peers("connection.py");
  const auto with_python = [&](std::vector<Contender> contenders, const char* function, int count, double wanted) {
    for (const auto& peer : peers) {
      contenders.push_back({peer->name(), [&peer, function, count] { return peer->seconds(function, count); }, wanted});
    }
    return contenders;
  };
  Ours ours;
  PingPong ping_pong;
  BareRing ring;
  MessageQueue queue;
  BareSocket socket;
  BareFutex futex;
  std::vector<Contender> round{{"ipc", [&] { return ours.round_trip(); }},
                               {"cache line", [&] { return ping_pong.round_trip(); }, 0.2},
                               {"message_queue", [&] { return queue.round_trip(); }}};
  std::vector<Contender> way{{"ipc", [&] { return ours.one_way(small, stream); }},
                             {"bare ring", [&] { return ring.one_way(); }},
                             {"message_queue", [&] { return queue.one_way(); }, 2}};
#ifdef IPC_BENCH_ZMQ
  ipc::bench::ZmqPair zmq;
  round.push_back({"ZeroMQ", [&] { return zmq.round_trip(small, round_trips / 4); }});
  way.push_back({"ZeroMQ", [&] { return zmq.one_way(small, stream); }});
#endif

  ipc::bench::Table awake("connection, both sides awake");
  awake.row("64 B round trip", with_python(round, "round_trip", round_trips / 4, 100));
  awake.row("64 B one way", with_python(way, "one_way", stream / 10, 40));
  awake.row("1 MiB one way", with_python({{"ipc", [&] { return ours.one_way(large, large_stream); }}, {"memcpy", copy, 0.5}},
                                         "one_way_large", large_stream / 10, 15));
  awake.row("struct round trip",
            with_python({{"ipc", [&] { return ours.struct_round_trip(); }}}, "struct_round_trip", round_trips / 10, 30));

  ipc::bench::Table parked("connection, the other side asleep");
  parked.row("64 B round trip", {{"ipc", [&] { return ours.parked_round_trip(); }},
                                 {"socket wake", [&] { return socket.parked_round_trip(); }, 0.67},
                                 {"futex wake", [&] { return futex.parked_round_trip(); }, 0.67}});
  std::printf("processor time of a receiver blocked for 1 s: %.1f ms (wanted: at most 20)\n", 1e3 * blocked_for_a_second());
}
