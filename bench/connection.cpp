// What a message costs between two processes: round trips and one way, small and large, awake and asleep, beside CPython's Pipe,
// Boost's message_queue, ZeroMQ where it is installed, and the floors: a cache line that goes to and fro, a bare ring, memcpy,
// a futex and a socket that wake somebody. Needs two processors that have nothing else to do.
#include <array>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include <boost/interprocess/ipc/message_queue.hpp>

#include <ipc/connection.hpp>
#include <ipc/main.hpp>

#include "bench/support/floors.hpp"
#include "bench/support/helper.hpp"
#include "bench/support/peer.hpp"
#include "bench/support/processor_time.hpp"
#include "bench/support/table.hpp"
#ifdef IPC_BENCH_ZMQ
#include "bench/support/zmq.hpp"
#endif

namespace {

using Clock = std::chrono::steady_clock;
using ipc::bench::Contender;
using ipc::bench::Helper;
namespace interprocess = boost::interprocess;

constexpr std::size_t small = 64;
constexpr std::size_t large = std::size_t{1} << 20;
constexpr int round_trips = 20'000;
constexpr int stream = 200'000;
constexpr int large_stream = 300;

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
    return ipc::bench::while_awake(round_trips, [&] {
      c.send_bytes(bytes_of(message));
      c.recv_bytes_into(bytes_of(message));
    });
  }
  double parked_round_trip() {
    std::vector<char> message(small);
    ipc::Connection& c = ends[0].first;
    return ipc::bench::after_naps([&] {
      c.send_bytes(bytes_of(message));
      c.recv_bytes_into(bytes_of(message));
    });
  }
  double struct_round_trip() {
    const Record record{7, "a name of a record", std::vector<double>(16, 1.5)};
    ipc::Connection& c = ends[1].first;
    return ipc::bench::while_awake(round_trips, [&] {
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
    return ipc::bench::while_awake(round_trips / 4, [&] {
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

double copy() {
  static std::vector<char> from(large, 'x');
  static std::vector<char> to(large);
  return ipc::bench::time_each(large_stream, [&] {
    std::memcpy(to.data(), from.data(), large);
    asm volatile("" ::"r"(to.data()) : "memory");
  });
}

/// Of a process that is blocked for a second in recv.
double blocked_for_a_second() {
  auto [ours, theirs] = ipc::Pipe();
  return ipc::bench::processor_seconds([&theirs = theirs] { theirs.recv<int>(); },
                                       [&ours = ours] {
                                         std::this_thread::sleep_for(std::chrono::seconds(1));
                                         ours.send(1);
                                       });
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const auto peers = ipc::bench::cpython_peers("connection.py");
  ipc::bench::stay_on_own_cpu(0);
  const auto with_python = [&](std::vector<Contender> contenders, const char* function, int count, double wanted) {
    for (const auto& peer : peers) {
      contenders.push_back({peer->name(), [&peer, function, count] { return peer->seconds(function, count); }, wanted});
    }
    return contenders;
  };
  Ours ours;
  ipc::bench::PingPong ping_pong;
  ipc::bench::BareRing<small> ring;
  MessageQueue queue;
  ipc::bench::BareSocket<small> socket;
  ipc::bench::BareFutex futex;
  std::vector<Contender> round{{"ipc", [&] { return ours.round_trip(); }},
                               {"cache line", [&] { return ping_pong.round_trip(round_trips); }, 0.2},
                               {"message_queue", [&] { return queue.round_trip(); }}};
  std::vector<Contender> way{{"ipc", [&] { return ours.one_way(small, stream); }},
                             {"bare ring", [&] { return ring.one_way(stream); }},
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
