#include "ipc/shm/names.hpp"

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <random>
#include <string>
#include <system_error>
#include <vector>

#include <ipc/array.hpp>
#include <ipc/shared_memory.hpp>
#include <ipc/unlink.hpp>
#include <ipc/value.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/die_at.hpp"
#include "tests/support/kill_storm.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;

TEST_CASE("Names: a maker killed at any point leaves no name, or one that can be made again") {
  const test::UniqueName name;
  const auto* point = GENERATE("names.built", "names.linked");
  test::die_at(point, [&] { Value<int>::create(name, 7); });
  REQUIRE(name.has_object() == (point == std::string("names.linked")));
  SECTION("which open does not find") {
    REQUIRE(test::error_of([&] { Value<int>::open(name); }) == ENOENT);
  }
  SECTION("and create replaces") {
    const auto value = Value<int>::create(name, 8);
    REQUIRE(Value<int>::open(name).get() == 8);
    ipc::unlink(name);
  }
  REQUIRE_FALSE(name.has_object());
}

TEST_CASE("Names: an opener killed at any point keeps nobody from anything") {
  const test::UniqueName name;
  const auto value = Value<int>::create(name, 7);
  test::die_at("names.held", [&] { Value<int>::open(name); });
  REQUIRE(Value<int>::open(name) == value);
  ipc::unlink(name);
}

TEST_CASE("Names: one that is killed taking a name away leaves that to the next") {
  const test::UniqueName name;
  const auto* point = GENERATE("names.removing", "names.removed");
  SECTION("by unlink") {
    const auto value = Value<int>::create(name, 7);
    test::die_at(point, [&] { ipc::unlink(name); });
    REQUIRE(test::error_of([&] { ipc::unlink(name); }) == (point == std::string("names.removing") ? 0 : ENOENT));
  }
  SECTION("of shared memory") {
    test::die_at(point, [&] { SharedMemory::create(10, name); });
    REQUIRE(test::error_of([&] { SharedMemory::open(name); }) == ENOENT);
    REQUIRE_FALSE(name.has_memory());
  }
}

TEST_CASE("Names: one that is killed burying a stale name leaves that to the next") {
  const test::UniqueName name;
  const auto* point = GENERATE("names.stale", "names.removing", "names.removed");
  test::die_at("names.linked", [&] { Value<int>::create(name, 7); });
  test::die_at(point, [&] { Value<int>::create(name, 8); });
  REQUIRE(Value<int>::open_or_create(name, 9).get() == 9);
  ipc::unlink(name);
  REQUIRE_FALSE(name.has_object());
}

TEST_CASE("Names: made, opened and unlinked by 8 processes under random kills, every object found is whole, and no name is left") {
  constexpr std::size_t elements = 700;
  const std::array<test::UniqueName, 3> names;
  const auto shared = test::make_counters();
  auto& broken = (*shared)[0];
  auto& found = (*shared)[1];
  auto& made = (*shared)[2];
  using Numbers = Array<std::uint64_t>;
  test::KillStorm storm(8, [&, seeded = std::optional<std::mt19937>(), kept = std::optional<Numbers>()](int) mutable {
    if (!seeded) seeded.emplace(::getpid());
    auto& random = *seeded;
    const auto& name = names[random() % names.size()];
    const auto token = 1 + random();
    const std::vector<std::uint64_t> content(elements, token);
    const auto keep_some = [&](const Numbers& array) { kept = random() % 2 == 0 ? std::optional(array) : std::nullopt; };
    const auto look = [&](const Numbers& array) {
      // Nobody writes after the making: all elements are the maker's.
      const std::uint64_t first = array.at(0);
      if (array.size() != elements || first == 0) ++broken;
      for (std::size_t i = 0; i < array.size(); ++i) broken += array.at(static_cast<std::ptrdiff_t>(i)) != first ? 1 : 0;
      ++found;
      keep_some(array);
    };
    const int error = test::error_of([&] {
      switch (random() % 4) {
        case 0: {
          const auto array = Numbers::create(name, content);
          if (array.at(0) != token) ++broken;
          ++made;
          keep_some(array);
          break;
        }
        case 1:
          look(Numbers::open(name));
          break;
        case 2:
          look(Numbers::open_or_create(name, content));
          break;
        default:
          ipc::unlink(name);
      }
    });
    if (error != 0 && error != EEXIST && error != ENOENT) ++broken;
  });
  const int kills = test::KillStorm::kills(30);
  storm.run(kills, 8, 100 * kills);
  REQUIRE(broken == 0);
  REQUIRE(found > 0);
  REQUIRE(made > 0);
  for (const auto& name : names) {
    const int error = test::error_of([&] { ipc::unlink(name); });
    REQUIRE((error == 0 || error == ENOENT));
    REQUIRE_FALSE(name.has_object());
  }
}
