// What an item costs on its way through a queue: in a stream, in batches, and when the consumer sleeps; beside CPython's
// queues, Boost's message_queue and ZeroMQ's PUSH and PULL.
#include <unistd.h>

#include <array>
#include <boost/interprocess/ipc/message_queue.hpp>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include <ipc/main.hpp>
#include <ipc/queue.hpp>

#include "bench/support/peer.hpp"
#include "bench/support/processor_time.hpp"
#include "bench/support/stream.hpp"
#include "bench/support/table.hpp"
#include "ipc/os/futex.hpp"

#ifdef IPC_BENCH_ZMQ
#include "bench/support/zmq.hpp"
#endif

namespace {

using ipc::bench::Contender;
using ipc::bench::Stream;
using Small = std::array<std::byte, 64>;
using Clock = std::chrono::steady_clock;

std::string own_name(const char* what) {
  static int number = 0;
  return std::string("ipc-bench-") + what + "-" + std::to_string(::getpid()) + "-" + std::to_string(++number);
}

/// So many producers as consumers of one of our queues, as deep as the others' are.
template <class T>
std::shared_ptr<Stream> ours(int sides, const T& item, int depth, Stream::Cpus cpus = Stream::Cpus::own) {
  const ipc::Queue<T> queue(depth);
  std::vector<Stream::Role> roles;
  for (int i = 0; i < sides; ++i) {
    roles.push_back([queue, item] {
      return [queue, item](int count) {
        for (int n = 0; n < count; ++n) queue.put(item);
      };
    });
    roles.push_back([queue] {
      return [queue](int count) {
        for (int n = 0; n < count; ++n) static_cast<void>(queue.get());
      };
    });
  }
  return std::make_shared<Stream>(roles, cpus);
}

class BoostQueue {
 public:
  BoostQueue(std::size_t depth, std::size_t size)
      : name_(own_name("boost")), queue_((remove(), boost::interprocess::create_only), name_.c_str(), depth, size) {
    remove();
  }
  boost::interprocess::message_queue& operator*() { return queue_; }

 private:
  void remove() const { boost::interprocess::message_queue::remove(name_.c_str()); }
  std::string name_;
  boost::interprocess::message_queue queue_;
};

std::shared_ptr<Stream> boost_queue(int sides, std::size_t size, std::size_t depth, Stream::Cpus cpus = Stream::Cpus::own) {
  const auto queue = std::make_shared<BoostQueue>(depth, size);
  std::vector<Stream::Role> roles;
  for (int i = 0; i < sides; ++i) {
    roles.push_back([queue, size] {
      return [queue, item = std::string(size, 'x')](int count) {
        for (int n = 0; n < count; ++n) (**queue).send(item.data(), item.size(), 0);
      };
    });
    roles.push_back([queue, size] {
      return [queue, item = std::make_shared<std::string>(size, ' ')](int count) {
        for (int n = 0; n < count; ++n) {
          boost::interprocess::message_queue::size_type received = 0;
          unsigned priority = 0;
          (**queue).receive(item->data(), item->size(), received, priority);
        }
      };
    });
  }
  return std::make_shared<Stream>(roles, cpus);
}

#ifdef IPC_BENCH_ZMQ
std::shared_ptr<Stream> zeromq(int sides, std::size_t size) {
  const std::string address = "ipc:///tmp/" + own_name("zmq") + "-" + std::to_string(size) + "-" + std::to_string(sides) + "-";
  std::vector<Stream::Role> roles;
  for (int i = 0; i < sides; ++i) {
    roles.push_back([=] {
      const auto socket = std::make_shared<ipc::bench::ZmqSocket>(ZMQ_PUSH);
      socket->bind(address + std::to_string(i));
      return [socket, item = std::string(size, 'x')](int count) {
        for (int n = 0; n < count; ++n) socket->send(item.data(), item.size());
      };
    });
    roles.push_back([=] {
      const auto socket = std::make_shared<ipc::bench::ZmqSocket>(ZMQ_PULL);
      socket->connect(address + std::to_string(i));
      return [socket, item = std::make_shared<std::string>(size, ' ')](int count) {
        for (int n = 0; n < count; ++n) socket->receive(item->data(), item->size());
      };
    });
  }
  return std::make_shared<Stream>(roles);
}
#endif

/// How long after it was called somebody who slept is there: `call` wakes the process that runs `answer` in a loop.
class Sleeper {
 public:
  Sleeper(std::function<void()> wait, std::function<void()> call)
      : call_(std::move(call)), process_({.daemon = true}, [this, wait] {
          for (;;) {
            wait();
            there_.value() = Clock::now().time_since_epoch().count();
            done_.release();
          }
        }) {
    process_.start();
  }
  double seconds(int count) const {
    double sum = 0;
    for (int i = 0; i < count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));  // By then it sleeps.
      const auto called = Clock::now();
      call_();
      done_.acquire();
      sum += std::chrono::duration<double>(Clock::time_point(Clock::duration(there_.value())) - called).count();
    }
    return sum / count;
  }

 private:
  std::function<void()> call_;
  ipc::RawValue<std::int64_t> there_;
  ipc::Semaphore done_{0};
  ipc::Process process_;
};

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  const auto peers = ipc::bench::cpython_peers("queues.py");
  ipc::bench::Table table("queues");

  const auto stream_row = [&](const char* peer_function, int count, int sides, double wanted, std::shared_ptr<Stream> us, int peer_count) {
    std::vector<Contender> contenders{{"ipc", [us, count, sides] { return us->seconds(count, sides); }}};
    for (const auto& peer : peers) {
      contenders.push_back({peer->name(), [&peer, peer_function, peer_count] { return peer->seconds(peer_function, peer_count); }, wanted});
    }
    return contenders;
  };
  const auto other = [](const char* name, const std::shared_ptr<Stream>& stream, int count, int sides, double wanted) {
    return Contender{name, [stream, count, sides] { return stream->seconds(count, sides); }, wanted};
  };
  {
    auto row = stream_row("one_to_one", 400'000, 1, 40, ours(1, Small(), 1000), 20'000);
    row.push_back(other("message_queue", boost_queue(1, 64, 1000), 200'000, 1, 1.5));
#ifdef IPC_BENCH_ZMQ
    row.push_back(other("ZeroMQ PUSH/PULL", zeromq(1, 64), 200'000, 1, 0));
#endif
    table.row("64 B, 1 producer, 1 consumer", std::move(row));
  }
  {
    // Where the two take turns, the one asleep while the other fills or empties the queue, nothing goes from CPU to CPU.
    const auto us = ours(1, Small(), 1000, Stream::Cpus::one);
    const auto them = boost_queue(1, 64, 1000, Stream::Cpus::one);
    table.row("64 B, both on one CPU", {{"ipc", [us] { return us->seconds(400'000, 1); }}, other("message_queue", them, 400'000, 1, 0)});
  }
  {
    auto row = stream_row("two_to_two", 400'000, 2, 15, ours(2, Small(), 1000), 20'000);
    row.push_back(other("message_queue", boost_queue(2, 64, 1000), 100'000, 2, 0));
#ifdef IPC_BENCH_ZMQ
    row.push_back(other("ZeroMQ PUSH/PULL", zeromq(2, 64), 200'000, 2, 0));
#endif
    table.row("64 B, 2 producers, 2 consumers", std::move(row));
  }
  {
    constexpr int mebibyte = 1 << 20;
    auto row = stream_row("large", 500, 1, 10, ours(1, std::string(mebibyte, 'x'), 8), 40);
    row.push_back(other("message_queue", boost_queue(1, mebibyte, 8), 500, 1, 0));
#ifdef IPC_BENCH_ZMQ
    row.push_back(other("ZeroMQ PUSH/PULL", zeromq(1, mebibyte), 500, 1, 0));
#endif
    table.row("1 MiB, 1 producer, 1 consumer", std::move(row));
  }
  {
    const ipc::Queue<Small> queue;
    const std::vector<Small> hundred(100);
    // Not more than the first ring holds: the queue, and not the memory behind it.
    constexpr int rounds = 100;
    const auto in_rounds = [&queue](const std::function<void()>& put_2000) {
      double seconds = 0;
      for (int round = 0; round < rounds; ++round) {
        seconds += ipc::bench::time_each(1, put_2000);
        while (!queue.empty()) static_cast<void>(queue.get_many(2000));
      }
      return seconds / (rounds * 2000);
    };
    table.row("64 B, put_many of 100, each", {{"ipc",
                                               [&] {
                                                 return in_rounds([&] {
                                                   for (int i = 0; i < 20; ++i) queue.put_many(hundred);
                                                 });
                                               }},
                                              {"put, one by one",
                                               [&] {
                                                 return in_rounds([&] {
                                                   for (int i = 0; i < 2000; ++i) queue.put(hundred[0]);
                                                 });
                                               },
                                               5}});
  }
  {
    const ipc::Queue<int> queue;
    const Sleeper ours([queue] { static_cast<void>(queue.get()); }, [queue] { queue.put(1); });
    const ipc::RawValue<std::uint32_t> calls;
    const auto word = [calls]() -> std::atomic<std::uint32_t>& { return reinterpret_cast<std::atomic<std::uint32_t>&>(calls.value()); };
    const Sleeper bare(
        [word] {
          ipc::os::futex_wait(word(), 0, ipc::detail::Deadline::never());
          word() = 0;
        },
        [word] {
          word() = 1;
          ipc::os::futex_wake(word(), 1);
        });
    constexpr int rounds = 100;
    table.row("a consumer that slept has its item",
              {{"ipc", [&] { return ours.seconds(rounds); }}, {"bare futex wake", [&] { return bare.seconds(rounds); }, 0.67}});
  }
  {
    const ipc::Queue<int> empty;
    const ipc::Queue<int> full(1);
    full.put(1);
    const double consumer = ipc::bench::processor_seconds([&] { static_cast<void>(empty.try_get_for(std::chrono::seconds(1))); });
    const double producer = ipc::bench::processor_seconds([&] { static_cast<void>(full.try_put_for(2, std::chrono::seconds(1))); });
    std::printf("processor time of a consumer blocked for 1 s: %.2f ms, of a producer: %.2f ms\n", 1e3 * consumer, 1e3 * producer);
  }
}
