// A manager's dict, list and lock from a client process, beside CPython's and Redis; four clients beside one; TCP beside a bare
// socket.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include <ipc/ipc.hpp>

#include "bench/support/outstanding.hpp"
#include "bench/support/own_cpu.hpp"
#include "bench/support/peer.hpp"
#ifdef IPC_BENCH_REDIS
#include "bench/support/redis.hpp"
#endif
#include "bench/support/table.hpp"

namespace {

using Clock = std::chrono::steady_clock;

/// A message of the size of a request, and one back, between two processes that block in between.
class BareTcp {
 public:
  BareTcp()
      : echo_({.daemon = true}, [this] {
          ipc::bench::stay_on_own_cpu(1);
          echo(accept_one());
        }) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in place{};
    place.sin_family = AF_INET;
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof place;
    auto* const address = reinterpret_cast<sockaddr*>(&place);
    if (::bind(listener_, address, size) != 0 || ::listen(listener_, 1) != 0 || ::getsockname(listener_, address, &size) != 0) std::abort();
    echo_.start();
    socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::connect(socket_, address, size) != 0) std::abort();
    no_delay(socket_);
  }
  BareTcp(const BareTcp&) = delete;
  BareTcp& operator=(const BareTcp&) = delete;
  ~BareTcp() {
    ::close(socket_);
    ::close(listener_);
  }
  void round_trip() const {
    std::array<char, 64> message{};
    if (::send(socket_, message.data(), message.size(), 0) < 0 || ::recv(socket_, message.data(), message.size(), MSG_WAITALL) < 0)
      std::abort();
  }

 private:
  static void no_delay(int socket) {
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  int accept_one() const {
    const int socket = ::accept(listener_, nullptr, nullptr);
    no_delay(socket);
    return socket;
  }
  static void echo(int socket) {
    std::array<char, 64> message{};
    while (::recv(socket, message.data(), message.size(), MSG_WAITALL) > 0) {
      if (::send(socket, message.data(), message.size(), 0) < 0) return;
    }
  }

  int listener_ = -1;
  int socket_ = -1;
  ipc::Process echo_;
};

/// Processes that all do the same when they are told to.
class Crowd {
 public:
  Crowd(int size, std::function<void()> work) : work_(std::move(work)) {
    for (int i = 0; i < size; ++i) members_.emplace_back(ipc::ProcessOptions{.daemon = true}, [this] { serve(); }).start();
  }
  /// Seconds for each of the times that they have done it, all together.
  double seconds(int count) const {
    count_.value() = count;
    const auto start = Clock::now();
    go_.release(static_cast<int>(members_.size()));
    for (std::size_t i = 0; i < members_.size(); ++i) done_.acquire();
    return std::chrono::duration<double>(Clock::now() - start).count() / (count * static_cast<double>(members_.size()));
  }

 private:
  void serve() const {
    for (;;) {
      go_.acquire();
      for (int i = 0; i < count_.value(); ++i) work_();
      done_.release();
    }
  }
  std::function<void()> work_;
  ipc::RawValue<int> count_;
  ipc::Semaphore go_{0};
  ipc::Semaphore done_{0};
  std::vector<ipc::Process> members_;
};

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  using ipc::bench::Contender;
  using ipc::bench::time_each;
  using Words = std::initializer_list<const char*>;
  const auto peers = ipc::bench::cpython_peers("manager.py");
  ipc::bench::stay_on_own_cpu(0);
#ifdef IPC_BENCH_REDIS
  const ipc::bench::Redis redis;
#endif
  ipc::bench::Table table("manager");

  const ipc::Manager manager;
  const ipc::Manager remote({.address = "tcp://127.0.0.1:0", .authkey = "key"});
  // Servers have a processor of their own; clients are on another.
  for (const auto& server : {manager, remote}) server.object<int>().call([](int&) { ipc::bench::stay_on_own_cpu(1); });
  const auto dict = manager.dict<std::string, int>({{"key", 1}});
  const auto list = manager.list<int>({1, 2, 3});
  const auto lock = manager.Lock();
  const auto far = remote.dict<std::string, int>({{"key", 1}});

  // Commands are what does about the same in Redis.
  const auto row = [&](const std::string& what, const std::string& function, double wanted, int count, const std::function<void()>& ours,
                       std::initializer_list<Words> commands) {
    // Long enough for a turn to be more than its beginning, when all are asleep.
    std::vector<Contender> contenders{{"ipc", [&] { return time_each(20 * count, ours); }}};
    for (const auto& peer : peers) contenders.push_back({peer->name(), [&] { return peer->seconds(function, count / 2 + 1); }, wanted});
#ifdef IPC_BENCH_REDIS
    if (redis) {
      const auto theirs = [&] {
        for (const Words& command : commands) redis.command(command);
      };
      contenders.push_back({"Redis", [count, theirs] { return time_each(5 * count, theirs); }});
    }
#endif
    static_cast<void>(commands);
    table.row(what, contenders);
  };
#ifdef IPC_BENCH_REDIS
  if (redis) {
    redis.command({"HSET", "dict", "key", "1"});
    redis.command({"RPUSH", "list", "1", "2", "3"});
  }
#endif
  row("dict get", "dict_get", 15, 2000, [&] { dict.get("key"); }, {{"HGET", "dict", "key"}});
  row("dict set", "dict_set", 15, 2000, [&] { dict.set("key", 2); }, {{"HSET", "dict", "key", "2"}});
  row("list get", "list_get", 15, 2000, [&] { list.get(1); }, {{"LINDEX", "list", "1"}});
  row("lock and unlock", "lock_unlock", 15, 1000,
      [&] {
        lock.lock();
        lock.unlock();
      },
      {{"SET", "lock", "me", "NX"}, {"DEL", "lock"}});
  row("a new list and its end", "new_list", 100, 400, [&] { manager.list<int>(); }, {{"RPUSH", "new", "1"}, {"DEL", "new"}});
  const BareTcp bare;
  std::vector<Contender> tcp{{"ipc", [&] { return time_each(5000, [&] { far.get("key"); }); }},
                             {"bare socket", [&] { return time_each(5000, [&] { bare.round_trip(); }); }, 0.77}};
  for (const auto& peer : peers) tcp.push_back({peer->name(), [&] { return peer->seconds("dict_get_tcp", 500); }});
  table.row("dict get, TCP", tcp);

  ipc::bench::Outstanding one(1, manager.address(), dict, "key");
  ipc::bench::Outstanding four(4, manager.address(), dict, "key");
  ipc::bench::Outstanding sixteen(16, manager.address(), dict, "key");
  double served = 1;
  const auto count_requests = [&](double each) {
    served = std::min(served, each);
    return each;
  };
  // Wanted are three times as many requests in a second as of one, or a server that is at work all the time, as it is for sixteen. Which
  // of the two it is depends on how far the processors are from each other.
  table.row("dict get, four clients", {{"four", [&] { return count_requests(four.seconds(20000)); }},
                                       {"one", [&] { return one.seconds(20000); }},
                                       {"sixteen", [&] { return count_requests(sixteen.seconds(5000)); }, 0.85}});
  // These share one processor, which is the limit then: a client that waits on its own has the processor's time for it, and to hand
  // that to another process takes longer than an answer.
  const Crowd four_processes(4, [&] { dict.get("key"); });
  const Crowd one_process(1, [&] { dict.get("key"); });
  double passed = 0;
  table.row("dict get, four processes on a CPU",
            {{"four", [&] { return passed = four_processes.seconds(5000); }}, {"one", [&] { return one_process.seconds(20000); }}});
  if (served < 1 && passed > 0)
    std::printf("a request takes the server %.0f ns at most; four processes on one CPU have it at work for %.0f %% of the time, at most\n",
                1e9 * served, 100 * served / passed);
}
