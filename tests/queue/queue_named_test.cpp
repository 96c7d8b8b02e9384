#include <ipc/queue.hpp>

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <ipc/connection.hpp>
#include <ipc/event.hpp>
#include <ipc/lock.hpp>
#include <ipc/process.hpp>
#include <ipc/unlink.hpp>
#include <ipc/wait.hpp>

#include "ipc/os/memfd.hpp"
#include "ipc/os/poll.hpp"
#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/shm_names.hpp"

using namespace std::chrono_literals;
using namespace ipc;

namespace {

int use_by_name(const std::string& name) {
  const auto opened = Queue<std::string>::open(name);
  if (opened.get() != "one") return 1;
  opened.put(std::string(1'000'000, 'x'));
  return opened.full() ? 2 : 0;
}

using Parcel = std::tuple<int, std::optional<Event>, std::optional<Connection>>;

int send_by_name(const std::string& name) {
  const auto queue = Queue<Parcel>::open(name);
  auto [ours, theirs] = Pipe();
  const Event event;
  ours.send(std::string("hello"));
  queue.put({1, event, std::move(theirs)});
  return 0;
}

int receive_by_name(const std::string& name) {
  auto [number, event, connection] = Queue<Parcel>::open(name).get();
  connection->send(number + 1);
  return 0;
}

int use_as_nobody(const std::string& name) {
  if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 1;
  const auto queue = Queue<Parcel>::open(name);
  if (std::get<0>(queue.get()) != 1) return 2;
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      attempt == 0 ? queue.put({3, Event(), std::nullopt}) : static_cast<void>(queue.get());
      return 3;
    } catch (const UsageError&) {
    }
  }
  return 0;
}

int wait_by_name(const std::string& name) {
  const auto queue = Queue<int>::open(name);
  for (int expected = 0; expected < 1000;) {
    if (ipc::wait({queue}) != std::vector<std::size_t>{0}) return 1;
    while (const auto item = queue.try_get()) {
      if (*item != expected++) return 2;
    }
  }
  return 0;
}

}  // namespace

TEST_CASE("Named queue: whoever opens it by its name has the same queue") {
  const test::UniqueName name;
  const auto queue = Queue<std::string>::create(name, 2);
  queue.put("one");
  Process stranger({.start_method = StartMethod::spawn}, use_by_name, name.text());
  stranger.start();
  stranger.join();
  REQUIRE(stranger.exitcode() == 0);
  REQUIRE(queue.get() == std::string(1'000'000, 'x'));
  REQUIRE(Queue<std::string>::open(name) == queue);
  REQUIRE(Queue<std::string>::open_or_create(name, 2) == queue);
  REQUIRE(test::from_message<Queue<std::string>>(test::to_message(queue)) == queue);
  ipc::unlink(name);
  REQUIRE_FALSE(name.has_object());
  queue.put("still there");
  REQUIRE(queue.get() == "still there");
}

TEST_CASE("Named queue: a name that is taken, missing, or something else") {
  const test::UniqueName name;
  REQUIRE_THROWS_AS(Queue<int>::open(name), std::system_error);
  const auto queue = Queue<int>::create(name, 3);
  REQUIRE_THROWS_AS(Queue<int>::create(name), std::system_error);
  REQUIRE_THROWS_AS(Queue<long>::open(name), UsageError);
  REQUIRE_THROWS_AS(Queue<std::string>::open(name), UsageError);
  REQUIRE_THROWS_AS(SimpleQueue<int>::open(name), UsageError);
  REQUIRE_THROWS_AS(JoinableQueue<int>::open(name), UsageError);
  REQUIRE_THROWS_AS(Queue<int>::open_or_create(name, 4), UsageError);
  REQUIRE_THROWS_AS(Lock::open(name), UsageError);
  const test::UniqueName other;
  const auto lock = Lock::create(other);
  REQUIRE_THROWS_AS(Queue<int>::open(other), UsageError);
  REQUIRE_THROWS_AS(Queue<int>::create(""), std::invalid_argument);
}

TEST_CASE("Named queue: descriptors and shared handles reach whoever opened it by its name, though their sender has gone") {
  const test::UniqueName name;
  const auto queue = Queue<Parcel>::create(name);
  Process sender({.start_method = StartMethod::spawn}, send_by_name, name.text());
  sender.start();
  sender.join();
  REQUIRE(sender.exitcode() == 0);
  auto [number, event, connection] = queue.get();
  REQUIRE(number == 1);
  event->set();
  REQUIRE(connection->recv<std::string>() == "hello");
  REQUIRE_THROWS_AS(connection->recv<std::string>(), EndOfFile);  // Nobody has the other end, or this one, any more.

  // The other way, to one that comes when the item is there already.
  auto [ours, theirs] = Pipe();
  queue.put({2, std::nullopt, std::move(theirs)});
  Process receiver({.start_method = StartMethod::spawn}, receive_by_name, name.text());
  receiver.start();
  REQUIRE(ours.recv<int>() == 3);
  receiver.join();
  REQUIRE(receiver.exitcode() == 0);
}

TEST_CASE("Named queue: its descriptors are found with whoever has them, its creator's children, too") {
  const test::UniqueName name;
  const Event opened;
  test::ForkedChild creator([&] {
    const auto queue = Queue<Fd>::create(name);
    queue.put(os::make_memfd("x", 77));
    test::ForkedChild child([&] {
      ::prctl(PR_SET_PDEATHSIG, 0);
      opened.wait();
    });
    ::kill(::getpid(), SIGKILL);
  });
  REQUIRE(creator.wait() == -SIGKILL);
  const auto queue = Queue<Fd>::open(name);
  opened.set();
  REQUIRE(os::file_facts(queue.get().get()).size == 77);
}

TEST_CASE("Named queue: an item whose descriptors nobody kept is an error, once") {
  const test::UniqueName name;
  {
    const auto queue = Queue<Parcel>::create(name);
    queue.put({1, std::nullopt, Pipe().first});
    queue.put({2, std::nullopt, std::nullopt});
  }
  const auto queue = Queue<Parcel>::open(name);
  REQUIRE_THROWS_AS(queue.get(), EncodingError);
  REQUIRE(std::get<0>(queue.get()) == 2);
  queue.put({3, Event(), std::nullopt});
  REQUIRE(std::get<1>(queue.get()).has_value());
}

TEST_CASE("Named queue: who may not have its descriptors is told so, and takes nothing from those who may") {
  if (::geteuid() != 0) return;
  const test::UniqueName name;
  const auto queue = Queue<Parcel>::create(name);
  std::filesystem::permissions(name.object_path(), std::filesystem::perms(0666));
  queue.put({1, std::nullopt, std::nullopt});
  queue.put({2, Event(), std::nullopt});
  Process other({.start_method = StartMethod::spawn}, use_as_nobody, name.text());
  other.start();
  other.join();
  REQUIRE(other.exitcode() == 0);
  REQUIRE(queue.qsize() == 1);
}

TEST_CASE("Named queue: wait and fileno, in a process that opened it by its name") {
  const test::UniqueName name;
  const auto queue = Queue<int>::create(name);
  Process waiter({.start_method = StartMethod::spawn}, wait_by_name, name.text());
  waiter.start();
  const int fd = queue.fileno();
  const auto readable = [&] { return os::wait_readable(fd, detail::Deadline::expired_already()); };
  REQUIRE_FALSE(readable());
  constexpr int count = 1000;
  for (int i = 0; i < count; ++i) queue.put(i);
  waiter.join();
  REQUIRE(waiter.exitcode() == 0);
  // The last item was taken elsewhere: this one's bell may ring until it is looked at.
  REQUIRE(ipc::wait({queue}, 0s).empty());
  REQUIRE_FALSE(readable());
  queue.put(1);
  REQUIRE(readable());
  REQUIRE(queue.fileno() == fd);
  REQUIRE(ipc::wait({queue}) == std::vector<std::size_t>{0});
  REQUIRE(queue.get() == 1);
  REQUIRE_FALSE(readable());
  // A forked child's is the same; the one does not spoil the other's.
  test::ForkedChild child([&] { return queue.fileno() == fd && ipc::wait({queue}) == std::vector<std::size_t>{0} ? queue.get() : 0; });
  test::wait_until_asleep(child.pid());
  queue.put(7);
  REQUIRE(child.wait() == 7);
  ipc::unlink(name);
  queue.put(2);
  REQUIRE(readable());
  queue.shutdown();
  REQUIRE(queue.get() == 2);
  REQUIRE(readable());
}

TEST_CASE("Named queue: what is in it outlives its processes, until it is unlinked; a killed creator's does not") {
  const test::UniqueName name;
  REQUIRE(test::ForkedChild([&] {
            const auto queue = JoinableQueue<int>::create(name);
            queue.put(7);
          }).wait() == 0);
  REQUIRE(JoinableQueue<int>::open(name).get() == 7);
  ipc::unlink(name);

  test::ForkedChild creator([&] {
    const auto queue = Queue<int>::create(name);
    queue.put(7);
    for (;;) std::this_thread::sleep_for(1h);
  });
  test::wait_until([&] { return name.has_object(); });
  creator.kill();
  creator.wait();
  REQUIRE_THROWS_AS(Queue<int>::open(name), std::system_error);
  REQUIRE(Queue<int>::create(name).empty());
}
