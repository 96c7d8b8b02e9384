#include <ipc/shareable_list.hpp>

#include <cerrno>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>

#include <ipc/error.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;
using namespace std::string_literals;

namespace {

Bytes bytes(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

ShareableList sample(std::string_view name = "") {
  return ShareableList({"howdy", bytes("HoWdY"), -273.154, 100, nullptr, true, 42}, name);
}

static_assert(std::is_constructible_v<ShareableItem, bool> && std::is_constructible_v<ShareableItem, const char*>);
static_assert(!std::is_constructible_v<ShareableItem, char> && !std::is_constructible_v<ShareableItem, int*>);

}  // namespace

TEST_CASE("ShareableList: holds what Python's holds, as Python's says it") {
  const auto list = sample();
  REQUIRE(list.size() == 7);
  REQUIRE(list.shm().size() == 191);
  REQUIRE(list.format() == "8s8sdqxxxxxx?xxxxxxxx?q");
  REQUIRE(list.get<std::string>(0) == "howdy");
  REQUIRE(list.get<Bytes>(1) == bytes("HoWdY"));
  REQUIRE(list.get<double>(-5) == -273.154);
  REQUIRE(list.get<int>(3) == 100);
  REQUIRE(list.get<std::nullptr_t>(4) == nullptr);
  REQUIRE(list.get<bool>(5));
  REQUIRE(list.get<std::int64_t>(-1) == 42);
  REQUIRE(list.to_vector().size() == 7);
}

TEST_CASE("ShareableList: an index outside of it is refused on both sides") {
  const auto list = sample();
  for (const std::ptrdiff_t index :
       {std::ptrdiff_t{7}, std::ptrdiff_t{-8}, std::numeric_limits<std::ptrdiff_t>::min(), std::numeric_limits<std::ptrdiff_t>::max()}) {
    REQUIRE_THROWS_AS(list.get(index), std::out_of_range);
    REQUIRE_THROWS_AS(list.set(index, 1), std::out_of_range);
  }
  REQUIRE(list.get<std::string>(-7) == "howdy");
}

TEST_CASE("ShareableList: count and index compare as Python does") {
  const ShareableList list{1, 1.0, true, "1", bytes("1"), nullptr, std::int64_t{1} << 53, (std::int64_t{1} << 53) + 1, 0.5};
  REQUIRE(list.count(1) == 3);
  REQUIRE(list.count("1") == 1);
  REQUIRE(list.count(nullptr) == 1);
  REQUIRE(list.count(9007199254740992.0) == 1);
  REQUIRE(list.count(0.5) == 1);
  REQUIRE(list.count(-1) == 0);
  REQUIRE(list.index(true) == 0);
  REQUIRE(list.index(bytes("1")) == 4);
  REQUIRE_THROWS_AS(list.index("missing"), std::invalid_argument);
}

TEST_CASE("ShareableList: an item may change its type, within its room") {
  const auto list = sample();
  list.set(3, "eleven");
  REQUIRE(list.format() == "8s8sd8sxxxxxx?xxxxxxxx?q");
  REQUIRE(list.get<std::string>(3) == "eleven");
  list.set(3, 7);
  REQUIRE(list.get<int>(3) == 7);
  list.set(0, nullptr);
  list.set(4, 2.5);
  REQUIRE(list.get(0) == nullptr);
  REQUIRE(list.get<double>(4) == 2.5);
  list.set(0, "12345678");  // All of the room.
  REQUIRE(list.get<std::string>(0) == "12345678");
  REQUIRE_THROWS_AS(list.set(0, "123456789"), std::invalid_argument);
  REQUIRE_THROWS_WITH(list.set(1, "123456789"), ipc::test::has_text("exceed the available storage"));
  REQUIRE(list.get<std::string>(0) == "12345678");
  list.set(0, "");
  REQUIRE(list.get<std::string>(0).empty());
}

TEST_CASE("ShareableList: text of several bytes a character keeps all of them") {
  const std::string text = "Grüße, 世界! 🎈";
  const ShareableList list{text, "ñññññññ", 1};
  REQUIRE(list.get<std::string>(0) == text);
  REQUIRE(list.get<std::string>(1) == "ñññññññ");
  REQUIRE(list.get<int>(2) == 1);
  REQUIRE(list.format() == "24s16sq");
}

TEST_CASE("ShareableList: trailing NULs are kept") {
  const auto text = GENERATE(as<std::string>(), "\0"s, "ab\0\0"s, "ab\0cd\0"s, "1234567\0"s, "12345678\0\0\0"s, std::string(100'000, '\0'));
  const ShareableList list{text, bytes(text), "x", 5};
  REQUIRE(list.get<std::string>(0) == text);
  REQUIRE(list.get<Bytes>(1) == bytes(text));
  list.set(0, "y");
  REQUIRE(list.get<std::string>(0) == "y");
  list.set(0, text);
  REQUIRE(list.get<std::string>(0) == text);
  REQUIRE(list.get<int>(3) == 5);
}

TEST_CASE("ShareableList: an item as long as its room may end in NULs as well") {
  const ShareableList list{1, 2};
  list.set(0, bytes("1234567\0"s));
  REQUIRE(list.get<Bytes>(0) == bytes("1234567\0"s));
  list.set(1, std::string(8, '\0'));
  REQUIRE(list.get<std::string>(1) == std::string(8, '\0'));
}

TEST_CASE("ShareableList: what it cannot hold is refused, and leaves nothing") {
  const test::UniqueName name;
  REQUIRE_THROWS_AS(ShareableList({std::numeric_limits<std::uint64_t>::max()}, name), std::invalid_argument);
  REQUIRE_THROWS_AS(ShareableList({std::string(1'000'000, '\0')}, name), std::invalid_argument);
  REQUIRE_FALSE(name.has_memory());
  REQUIRE_NOTHROW(ShareableList({std::string(1'000'000, 'x')}, name));
}

TEST_CASE("ShareableList: get says so when an item is of another type or too large") {
  const ShareableList list{300, -1, 1.5, "text", true};
  REQUIRE_THROWS_AS(list.get<std::uint8_t>(0), EncodingError);
  REQUIRE_THROWS_AS(list.get<unsigned>(1), EncodingError);
  REQUIRE_THROWS_AS(list.get<int>(2), EncodingError);
  REQUIRE_THROWS_AS(list.get<double>(3), EncodingError);
  REQUIRE_THROWS_AS(list.get<int>(4), EncodingError);
  REQUIRE(list.get<float>(2) == 1.5f);
}

TEST_CASE("ShareableList: of no items is a list, too") {
  const test::UniqueName name;
  const ShareableList list({}, name);
  REQUIRE(ShareableList::open(name).size() == 0);
  REQUIRE(list.format().empty());
  REQUIRE(list.count(1) == 0);
  REQUIRE_THROWS_AS(list.get(0), std::out_of_range);
  REQUIRE_THROWS_AS(list.get(-1), std::out_of_range);
}

TEST_CASE("ShareableList: who opens it by name or gets it sent has the same one; who makes one of its items a copy") {
  const test::UniqueName name;
  const auto list = sample(name);
  const auto same = ShareableList::open(name);
  REQUIRE(same == list);
  same.set(3, 101);
  REQUIRE(list.get<int>(3) == 101);
  const ShareableList copy(list.to_vector());
  REQUIRE(copy.name() != list.name());
  REQUIRE(copy.format() == list.format());
  copy.set(3, 102);
  REQUIRE(list.get<int>(3) == 101);
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&there = there] {
    const auto received = test::from_message<ShareableList>(test::receive_message(there.get()));
    received.set(0, "changed");
  });
  test::send_message(here.get(), test::to_message(list));
  REQUIRE(child.wait() == 0);
  REQUIRE(list.get<std::string>(0) == "changed");
}

TEST_CASE("ShareableList: memory without a list in it is refused") {
  const test::UniqueName name;
  const auto memory = SharedMemory::create(GENERATE(1u, 15u, 16u, 40u), name);
  std::memset(memory.buf().data(), 0x7f, memory.size());
  REQUIRE_THROWS_AS(ShareableList::open(name), EncodingError);
}

TEST_CASE("ShareableList: whatever somebody writes into it, nothing outside is touched") {
  std::mt19937 random(7);
  for (int round = 0; round < 3000; ++round) {
    const test::UniqueName name;
    const auto list = sample(name);
    const auto raw = list.shm().buf();
    for (int i = 0; i < 4; ++i) {
      const auto at = random() % raw.size();
      raw[at] = static_cast<std::byte>(random());
    }
    for (const auto* use : {"known", "opened"}) {
      try {
        const auto other = use == "known"s ? list : ShareableList::open(name);
        for (std::size_t i = 0; i < other.size(); ++i) {
          try {
            static_cast<void>(other.get(static_cast<std::ptrdiff_t>(i)));
          } catch (const EncodingError&) {
          }
        }
        static_cast<void>(other.format());
      } catch (const EncodingError&) {
      }
    }
  }
}
