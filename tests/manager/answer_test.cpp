// Answers that cannot be given, and answers that are not wholly taken: nothing gets lost, nobody is forgotten.
#include <unistd.h>

#include <array>
#include <exception>
#include <string>
#include <vector>

#include <ipc/manager.hpp>

#include "tests/manager/house.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/no_descriptors.hpp"

using namespace ipc::test;

namespace {

std::array<ipc::Fd, 1> one_fd() { return {ipc::Fd(::dup(0))}; }

TEST_CASE("a waiting call that cannot be answered fails, and not the one that would have answered it") {
  House house;
  for (ConnectionId c = 1; c <= 2; ++c) house.greet(c, c);
  const ObjectId queue = house.create(1, ServedKind::queue, "q", std::int64_t{0});
  house.create(2, ServedKind::queue, "q", std::int64_t{0});
  const ObjectId inner = house.create(2, ServedKind::list, "");
  REQUIRE(house.ask(1, {.op = Op::pop, .object = queue}, std::uint64_t{1}));
  REQUIRE_FALSE(house.answered(1));
  {
    auto fds = one_fd();
    const NoDescriptors none;
    REQUIRE(house.ask_with(fds, 2, {.op = Op::insert, .object = queue}, element("x", {inner}, 1)));
  }
  CHECK(house.outcome(2) == Outcome::done);
  house.take(2);
  CHECK(house.outcome(1) == Outcome::thrown);
  house.take(1);
  // It has no reference to what it did not get, and the item is still there for the next one.
  REQUIRE(house.ask(2, {.op = Op::release, .object = inner}, std::uint32_t{1}));
  REQUIRE(house.ask(1, {.op = Op::size, .object = inner}));
  CHECK(house.outcome(1) == Outcome::usage_error);
  house.take(1);
  CHECK(house.get(1, Op::pop, queue, std::uint64_t{1}) == element("x", {inner}, 1));
  house.get(1, Op::size, inner);
  CHECK(house.machine.objects() == 2);
}

TEST_CASE("of many items those are given that can be, and the others stay") {
  House house;
  house.greet(1, 1);
  const ObjectId queue = house.create(1, ServedKind::queue, "", std::int64_t{0});
  house.get(1, Op::insert, queue, element("a"));
  auto fds = one_fd();
  REQUIRE(house.ask_with(fds, 1, {.op = Op::insert, .object = queue}, element("b", {}, 1)));
  house.take(1);
  {
    const NoDescriptors none;
    CHECK(house.get(1, Op::pop, queue, std::uint64_t{9}) == element("a"));
    REQUIRE(house.ask(1, {.op = Op::pop, .object = queue}, std::uint64_t{9}));
    CHECK(house.outcome(1) == Outcome::thrown);
    house.take(1);
  }
  CHECK(house.get(1, Op::pop, queue, std::uint64_t{9}) == element("b", {}, 1));
}

TEST_CASE("what a list cannot give away stays in it") {
  House house;
  house.greet(1, 1);
  const ObjectId list = house.create(1, ServedKind::list, "");
  auto fds = one_fd();
  REQUIRE(house.ask_with(fds, 1, {.op = Op::extend, .object = list}, element("a", {}, 1)));
  house.take(1);
  {
    const NoDescriptors none;
    REQUIRE(house.ask(1, {.op = Op::pop, .object = list}, std::int64_t{-1}));
    CHECK(house.outcome(1) == Outcome::thrown);
    house.take(1);
  }
  CHECK(house.get(1, Op::pop, list, std::int64_t{-1}) == element("a", {}, 1));
}

/// A key and nothing else: for a dict whose values cannot be decoded.
struct Spoilt {
  static Spoilt ipc_decode(ipc::detail::Reader& /*reader*/) { throw ipc::EncodingError("spoilt"); }
  void ipc_encode(ipc::detail::Writer& writer) const { proxy.ipc_encode(writer); }
  ipc::ListProxy<int> proxy;
};

TEST_CASE("the references of an answer that is not wholly taken are given back") {
  const ipc::Manager m;
  const auto list = m.list<Spoilt>();
  for (int i = 0; i < 3; ++i) list.append({m.list<int>()});
  const auto dict = m.dict<int, Spoilt>({{1, {m.list<int>()}}, {2, {m.list<int>()}}});
  CHECK_THROWS_AS(list.to_vector(), ipc::EncodingError);
  CHECK_THROWS_AS(list.get(0), ipc::EncodingError);
  CHECK_THROWS_AS(dict.items(), ipc::EncodingError);
  list.clear();
  dict.clear();
  wait_until([&] { return m.number_of_objects() == 2; });
}

}  // namespace
