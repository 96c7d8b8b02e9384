// The server without I/O and without a clock: requests in, answers out, time as a number.
#include <array>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "tests/manager/house.hpp"

using namespace std::chrono_literals;

using namespace ipc::test;

namespace {

RequestHeader lock_of(ObjectId object, std::uint32_t thread = 1, std::chrono::nanoseconds patience = -1ns) {
  return {.op = Op::lock, .thread = thread, .object = object, .patience = patience.count()};
}

TEST_CASE("locks pass on in the order of arrival, by time, by death") {
  House house;
  for (ConnectionId c = 1; c <= 4; ++c) house.greet(c, static_cast<unsigned char>(c));
  const ObjectId lock = house.create(1, ServedKind::lock, "l");
  for (ConnectionId c = 2; c <= 4; ++c) CHECK(house.create(c, ServedKind::lock, "l") == lock);
  house.get(1, Op::lock, lock);
  CHECK(house.ask(2, lock_of(lock, 1, 5s)));
  CHECK(house.ask(3, lock_of(lock)));
  CHECK(house.ask(4, lock_of(lock)));
  CHECK(house.answers.empty());
  CHECK(house.machine.next_deadline() == house.now + 5s);
  house.now += 5s;
  house.machine.expire(house.now);
  CHECK(house.outcome(2) == Outcome::nothing);
  house.take(2);
  CHECK_FALSE(house.machine.next_deadline());
  // The holder dies, and so does who would be next; the third gets it, and is told.
  house.machine.disconnect(3);
  house.machine.disconnect(1);
  CHECK(house.outcome(4) == Outcome::done);
  house.take(4);
  CHECK(house.get(4, Op::recovered, lock) == std::string(1, '\1'));
  house.get(4, Op::unlock, lock);
  house.get(4, Op::lock, lock);
  CHECK(house.get(4, Op::recovered, lock) == std::string(1, '\0'));
}

TEST_CASE("a session lives as long as one of its connections") {
  House house;
  house.greet(1, 1);
  house.greet(2, 1);
  const ObjectId list = house.create(1, ServedKind::list, "", element("x"));
  house.machine.disconnect(1);
  CHECK(house.get(2, Op::get, list, std::int64_t{0}) == element("x"));
  house.machine.disconnect(2);
  CHECK(house.machine.objects() == 0);
}

TEST_CASE("a copied session has all references of the other, and outlives it") {
  House house;
  house.greet(1, 1);
  const ObjectId list = house.create(1, ServedKind::list, "");
  auto child = greeting_of(2);
  child.copied = greeting_of(1).session;
  house.greet(2, child);
  house.machine.disconnect(1);
  house.get(2, Op::size, list);
  CHECK(house.ask(2, {.op = Op::release, .object = list}, std::uint32_t{1}));
  CHECK_FALSE(house.answered(2));
  CHECK(house.machine.objects() == 0);
}

TEST_CASE("elements keep objects; who reads them gets references; nobody can store what he has not") {
  House house;
  house.greet(1, 1);
  house.greet(2, 2);
  const ObjectId outer = house.create(1, ServedKind::list, "outer");
  house.create(2, ServedKind::list, "outer");
  const ObjectId inner = house.create(1, ServedKind::list, "");
  CHECK(house.ask(2, {.op = Op::extend, .object = outer}, element("p", {inner})));
  CHECK(house.outcome(2) == Outcome::encoding_error);
  house.take(2);
  house.get(1, Op::extend, outer, element("p", {inner}));
  house.machine.disconnect(1);
  CHECK(house.machine.objects() == 2);
  CHECK(house.get(2, Op::pop, outer, std::int64_t{-1}) == element("p", {inner}));
  house.get(2, Op::size, inner);
  CHECK(house.ask(2, {.op = Op::release, .object = inner}, std::uint32_t{1}));
  CHECK(house.machine.objects() == 1);
}

TEST_CASE("a request before its time, and one that is too short, end the connection") {
  House house;
  house.machine.connect(1);
  CHECK_FALSE(house.ask(1, {.op = Op::number}));
  house.greet(2, 2);
  CHECK_FALSE(house.ask(2, {.op = Op::hello}, greeting_of(0)));
  const std::string half(5, 'x');
  CHECK_FALSE(house.machine.receive(2, bytes_in(half), {}));
  const ObjectId event = house.create(2, ServedKind::event, "");
  CHECK(house.ask(2, {.op = Op::wait, .object = event, .patience = -1}));
  CHECK_FALSE(house.ask(2, {.op = Op::number}));
}

TEST_CASE("a party that dies breaks the barrier; one that waits too long, too") {
  House house;
  for (ConnectionId c = 1; c <= 3; ++c) house.greet(c, static_cast<unsigned char>(c));
  const ObjectId barrier = house.create(1, ServedKind::barrier, "b", std::int32_t{3}, std::int64_t{-1});
  house.create(2, ServedKind::barrier, "b");
  house.create(3, ServedKind::barrier, "b");
  CHECK(house.ask(1, {.op = Op::wait, .object = barrier, .patience = -1}));
  CHECK(house.ask(2, {.op = Op::wait, .object = barrier, .patience = -1}));
  house.machine.disconnect(2);
  CHECK(house.outcome(1) == Outcome::broken_barrier);
  house.take(1);
  house.get(1, Op::clear, barrier);
  CHECK(house.ask(1, {.op = Op::wait, .object = barrier, .patience = 10}));
  house.now += 10ns;
  house.machine.expire(house.now);
  CHECK(house.outcome(1) == Outcome::broken_barrier);
}

TEST_CASE("whatever happens in whatever order, a lock has one holder and nothing is left at the end") {
  std::mt19937 random(42);
  const auto dice = [&](std::uint32_t n) { return static_cast<std::uint32_t>(random() % n); };
  for (int round = 0; round < 20; ++round) {
    House house;
    ConnectionId last = 0;
    std::map<ConnectionId, std::array<ObjectId, 3>> clients;
    std::map<ConnectionId, Op> asked;  // And not answered.
    std::optional<ConnectionId> holder;
    const auto collect = [&] {
      for (auto call = asked.begin(); call != asked.end();) {
        const auto [c, op] = *call;
        if (!house.answered(c)) {
          ++call;
          continue;
        }
        const bool done = house.outcome(c) == Outcome::done;
        if (op == Op::lock && done) {
          REQUIRE_FALSE(holder);
          holder = c;
        }
        if (op == Op::unlock) {
          REQUIRE(done == (holder == c));
          if (done) holder.reset();
        }
        house.take(c);
        call = asked.erase(call);
      }
    };
    for (int step = 0; step < 1000; ++step) {
      house.now += std::chrono::nanoseconds(dice(10));
      house.machine.expire(house.now);
      collect();
      if (clients.size() < 3 || dice(20) == 0) {
        const ConnectionId c = ++last;
        house.greet(c, c);
        clients[c] = {house.create(c, ServedKind::lock, "lock"), house.create(c, ServedKind::joinable_queue, "queue", std::int64_t{2}),
                      house.create(c, ServedKind::list, "")};
      }
      const auto client = std::next(clients.begin(), dice(static_cast<std::uint32_t>(clients.size())));
      const ConnectionId c = client->first;
      const auto [lock, queue, list] = client->second;
      if (dice(25) == 0) {
        if (holder == c) holder.reset();
        asked.erase(c);
        clients.erase(client);
        house.machine.disconnect(c);
        collect();
        continue;
      }
      if (asked.contains(c)) continue;
      RequestHeader header{.thread = 1, .object = dice(2) == 0 ? lock : queue, .patience = static_cast<std::int64_t>(dice(60)) - 1};
      bool keeps = false;
      if (header.object == lock) {
        header.op = holder == c || dice(4) == 0 ? Op::unlock : Op::lock;
        keeps = house.ask(c, header);
      } else if (dice(3) == 0) {
        header.op = Op::insert;
        keeps = house.ask(c, header, element("item", {list}));
      } else if (dice(2) == 0) {
        header.op = Op::pop;
        keeps = house.ask(c, header, std::uint64_t{1});
      } else {
        header.op = dice(2) == 0 ? Op::task_done : Op::join;
        keeps = house.ask(c, header);
      }
      REQUIRE(keeps);
      if (header.op != Op::lock && header.op != Op::unlock) header.op = Op::number;
      // An unlock is answered before it lets others in, as they see it.
      asked[c] = header.op;
      if (header.op == Op::unlock && house.answered(c) && house.outcome(c) == Outcome::done) {
        holder.reset();
        asked.erase(c);
        house.take(c);
      }
      collect();
    }
    for (const auto& [c, objects] : clients) house.machine.disconnect(c);
    // The two that have names, and lists whose proxies are in the queue.
    CHECK(house.machine.objects() >= 2);
    CHECK(house.machine.objects() <= 2 + 1000);
    CHECK_FALSE(house.machine.next_deadline());
  }
}

}  // namespace
