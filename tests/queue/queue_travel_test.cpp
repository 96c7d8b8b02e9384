// Queues that go to other processes, and what goes with the items in them.
#include <ipc/queue.hpp>

#include <algorithm>
#include <iterator>
#include <ranges>
#include <string>
#include <vector>

#include <ipc/connection.hpp>
#include <ipc/pool.hpp>
#include <ipc/process.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/value.hpp>
#include <ipc/wait.hpp>

#include "ipc/os/memfd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/shm/heap.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

struct Parcel {
  Semaphore semaphore{0};
  Value<int> value{0};
  Value<int> second{0};
  template <class Archive>
  void serialize(Archive& archive, unsigned) {
    archive& semaphore& value& second;
  }
};

void squares(const Queue<int>& in, const Queue<long>& out) {
  for (const int x : in) out.put(static_cast<long>(x) * x);
}

void pass_on(const SimpleQueue<Queue<std::string>>& queues) { queues.get().put("hello"); }

long task(const JoinableQueue<long>& queue, int x) {
  queue.put(x);
  return queue.join(0s) ? 1 : 0;
}

bool readable(int fd) { return os::wait_readable(fd, detail::Deadline::expired_already()); }

Fd numbered_file(int number) { return os::make_memfd("x", static_cast<std::size_t>(number)); }
int number_of(const Fd& fd) { return static_cast<int>(os::file_facts(fd.get()).size); }

}  // namespace

TEST_CASE("Queue: as an argument of a process, with each start method") {
  const auto method = GENERATE(StartMethod::fork, StartMethod::spawn, StartMethod::forkserver);
  const Queue<int> in;
  const Queue<long> out(1);
  Process process({.start_method = method}, squares, in, out);
  process.start();
  in.put_many(std::vector<int>{1, 2, 3});
  REQUIRE(out.get() == 1);
  REQUIRE(out.get() == 4);
  REQUIRE(out.get() == 9);
  in.shutdown();
  process.join();
  REQUIRE(process.exitcode() == 0);
}

TEST_CASE("Queue: a queue in a queue, to a process that is no copy of this one") {
  const SimpleQueue<Queue<std::string>> queues;
  const Queue<std::string> inner;
  Process process({.start_method = StartMethod::spawn}, pass_on, queues);
  process.start();
  queues.put(inner);
  REQUIRE(inner.get() == "hello");
  process.join();
  REQUIRE(process.exitcode() == 0);
}

TEST_CASE("Queue: as an argument of pool tasks") {
  const JoinableQueue<long> queue;
  Pool pool(2);
  std::vector<std::pair<JoinableQueue<long>, int>> calls;
  for (int i = 0; i < 20; ++i) calls.emplace_back(queue, i);
  const auto joined = pool.starmap(task, calls);
  REQUIRE(std::count(joined.begin(), joined.end(), 0) == 20);
  long sum = 0;
  for (int i = 0; i < 20; ++i) sum += queue.get();
  REQUIRE(sum == 190);
}

TEST_CASE("Queue: shared handles made after the fork arrive, and work, when their maker has ended") {
  const Queue<Parcel> queue;
  REQUIRE(test::ForkedChild([&] {
            for (int i = 0; i < 10; ++i) {
              Parcel parcel{Semaphore(3), Value<int>(i), Value<int>(2 * i)};
              queue.put(parcel);
            }
            std::vector<Parcel> more(5, Parcel{Semaphore(4), Value<int>(100), Value<int>(200)});
            queue.put_many(more);
          }).wait() == 0);
  for (int i = 0; i < 10; ++i) {
    const Parcel parcel = queue.get();
    REQUIRE(parcel.semaphore.get_value() == 3);
    REQUIRE(parcel.value.get() == i);
    REQUIRE(parcel.second.get() == 2 * i);
  }
  for (const Parcel& parcel : queue.get_many(5)) {
    REQUIRE(parcel.value.get() == 100);
    REQUIRE(parcel.semaphore.get_value() == 4);
  }
}

TEST_CASE("Queue: what a thrown away queue held is let go of") {
  const auto before = shm::Heap::instance().facts().used_blocks;
  {
    const Queue<Semaphore> queue;
    for (int i = 0; i < 5; ++i) queue.put(Semaphore(i));
    REQUIRE(shm::Heap::instance().facts().used_blocks == before + 5);
    queue.shutdown(true);
    REQUIRE(shm::Heap::instance().facts().used_blocks == before);
  }
  {
    const Queue<Semaphore> queue;
    queue.put(Semaphore(1));
  }
  REQUIRE(shm::Heap::instance().facts().used_blocks == before);
}

TEST_CASE("Queue: an item that can only be moved is the caller's again when there is no room") {
  const Queue<std::pair<int, Fd>> queue(1);
  queue.put({1, numbered_file(10)});
  std::pair<int, Fd> item{2, numbered_file(20)};
  REQUIRE_FALSE(queue.try_put(std::move(item)));
  REQUIRE(item.first == 2);
  REQUIRE(number_of(item.second) == 20);
  REQUIRE_THROWS_AS(queue.put(std::move(item), 1ms), Full);
  REQUIRE(number_of(item.second) == 20);
  queue.get();
  queue.put(std::move(item));
  for (std::pair<int, Fd> got : queue) {
    REQUIRE(number_of(got.second) == 20);
    queue.shutdown();
  }
}

TEST_CASE("Queue: an item that can only be moved is the caller's again when put throws") {
  const Queue<std::pair<int, Connection>> queue;
  auto [ours, theirs] = Pipe();
  std::pair<int, Connection> item(7, std::move(theirs));
  const auto is_ours_still = [&, &ours = ours] {
    item.second.send(item.first);
    return ours.recv<int>() == 7;
  };
  queue.shutdown();
  REQUIRE_THROWS_AS(queue.put(std::move(item)), ShutDown);
  REQUIRE(is_ours_still());
  REQUIRE_THROWS_AS(queue.try_put(std::move(item)), ShutDown);
  REQUIRE(is_ours_still());
  queue.close();
  REQUIRE_THROWS_AS(queue.put(std::move(item)), UsageError);
  REQUIRE(is_ours_still());

  const Queue<std::vector<Connection>> large;
  std::vector<Connection> too_many;
  for (int i = 0; i < 130; ++i) {
    auto [one, other] = Pipe();
    too_many.push_back(std::move(one));
    too_many.push_back(std::move(other));
  }
  REQUIRE_THROWS_AS(large.put(std::move(too_many)), EncodingError);
  too_many.at(258).send(1);
  REQUIRE(too_many.at(259).recv<int>() == 1);
}

TEST_CASE("Queue: put_many takes what a range makes or moves out, though it can only be moved") {
  const Queue<Connection> queue;
  std::vector<Connection> ends;
  for (int i = 0; i < 3; ++i) {
    auto [one, other] = Pipe();
    ends.push_back(std::move(one));
    ends.push_back(std::move(other));
  }
  queue.put_many(std::ranges::subrange(std::make_move_iterator(ends.begin()), std::make_move_iterator(ends.begin() + 2)));
  queue.put_many(std::views::iota(2, 6) | std::views::transform([&](int i) { return std::move(ends.at(static_cast<std::size_t>(i))); }));
  REQUIRE(queue.qsize() == 6);
  for (int i = 0; i < 3; ++i) {
    Connection one = queue.get();
    Connection other = queue.get();
    one.send(i);
    REQUIRE(other.recv<int>() == i);
  }
}

TEST_CASE("Queue: when the socket is full of descriptors, put waits for room in it, and says Full") {
  const Queue<std::vector<Fd>> queue;
  // As many as the kernel lets this user have under way, or the socket holds.
  const auto item = [] {
    std::vector<Fd> fds;
    for (int i = 0; i < 2; ++i) fds.push_back(numbered_file(i));
    return fds;
  };
  int count = 0;
  while (count < 40'000 && queue.try_put(item())) ++count;
  if (count == 40'000) return;  // Where the limit is out of reach.
  REQUIRE(queue.qsize() == static_cast<std::size_t>(count));
  REQUIRE_THROWS_AS(queue.put(item(), 1ms), Full);
  test::ForkedChild producer([&] { queue.put(item()); });
  test::wait_until_asleep(producer.pid());
  for (int i = 0; i < count; ++i) REQUIRE(number_of(queue.get().at(1)) == 1);
  REQUIRE(producer.wait() == 0);
  REQUIRE(number_of(queue.get().at(1)) == 1);
}

TEST_CASE("Queue: more descriptors in an item than one packet holds are refused") {
  const Queue<std::vector<Fd>> queue;
  std::vector<Fd> many;
  for (int i = 0; i < 254; ++i) many.push_back(numbered_file(1));
  REQUIRE_THROWS_AS(queue.put(std::move(many)), EncodingError);
  REQUIRE(queue.empty());
}

TEST_CASE("Queue: at the limit of its descriptors a consumer leaves the item in the queue") {
  const Queue<std::vector<Fd>> queue;
  std::vector<Fd> fds;
  for (int i = 0; i < 20; ++i) fds.push_back(numbered_file(i));
  queue.put(std::move(fds));
  std::vector<Fd> fill;
  try {
    for (;;) fill.push_back(numbered_file(1));
  } catch (const std::system_error&) {
  }
  fill.resize(fill.size() - 10);
  REQUIRE_THROWS_AS(queue.get(), std::system_error);
  REQUIRE(queue.qsize() == 1);
  fill.clear();
  const auto got = queue.get();
  for (int i = 0; i < 20; ++i) REQUIRE(number_of(got.at(static_cast<std::size_t>(i))) == i);
}

TEST_CASE("Queue: its descriptor is readable exactly while get would not wait") {
  const Queue<int> queue;
  queue.put(1);
  const int fd = queue.fileno();
  REQUIRE(readable(fd));
  queue.put(2);
  REQUIRE(queue.get() == 1);
  REQUIRE(readable(fd));
  REQUIRE(queue.get() == 2);
  REQUIRE_FALSE(readable(fd));
  test::ForkedChild producer([&] { queue.put(3); });
  REQUIRE(os::wait_readable(fd, detail::Deadline::never()));
  REQUIRE(queue.get() == 3);
  REQUIRE(producer.wait() == 0);
  REQUIRE_FALSE(readable(fd));
  queue.put_many(std::vector<int>{1, 2, 3});
  REQUIRE(readable(fd));
  REQUIRE(queue.get_many(10).size() == 3);
  REQUIRE_FALSE(readable(fd));
  REQUIRE(queue.fileno() == fd);
  queue.shutdown();
  REQUIRE(readable(fd));
}

TEST_CASE("Queue: a process that polls its descriptor sees every item") {
  const Queue<int> queue;
  constexpr int count = 20'000;
  test::ForkedChild consumer([&] {
    const int fd = queue.fileno();
    for (int expected = 0; expected < count;) {
      os::wait_readable(fd, detail::Deadline::never());
      while (const auto item = queue.try_get()) {
        if (*item != expected++) return 1;
      }
    }
    return 0;
  });
  for (int i = 0; i < count; ++i) queue.put(i);
  REQUIRE(consumer.wait() == 0);
}

TEST_CASE("Queue: the hook for ipc::wait") {
  const Queue<int> queue;
  const detail::WaitHook hook = queue.ipc_wait_hook();
  REQUIRE_FALSE(hook.arm(hook.object));
  REQUIRE_FALSE(readable(hook.fd));
  queue.put(1);
  REQUIRE(readable(hook.fd));
  REQUIRE(hook.ready(hook.object));
  REQUIRE(hook.arm(hook.object));
}

TEST_CASE("Queue: ipc::wait for queues beside other things") {
  const Queue<int> first;
  const Queue<std::string> second;
  REQUIRE(ipc::wait({first, second}, 0s).empty());
  second.put("x");
  REQUIRE(ipc::wait({first, second}) == std::vector<std::size_t>{1});
  test::ForkedChild producer([&] { first.put(5); });
  REQUIRE(second.get() == "x");
  REQUIRE(ipc::wait({first, second}) == std::vector<std::size_t>{0});
  REQUIRE(producer.wait() == 0);
  second.shutdown();
  REQUIRE(ipc::wait({first, second}) == std::vector<std::size_t>{0, 1});
  REQUIRE(first.get() == 5);
  REQUIRE(ipc::wait({first, second}) == std::vector<std::size_t>{1});
}
