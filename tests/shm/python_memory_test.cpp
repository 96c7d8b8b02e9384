#include <cstring>
#include <string>

#include <ipc/shareable_list.hpp>
#include <ipc/shared_memory.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/python.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;
using namespace std::string_literals;

namespace {

/// In front of every script. `keep` keeps CPython before 3.13 from taking the names away when it exits.
const std::string prelude = R"(
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory, ShareableList
name = sys.argv[1]
def keep(memory):
    resource_tracker.unregister(memory._name, "shared_memory")
    return memory
)";

/// Runs `script` with every Python there is.
template <class Test>
void with_each_python(Test test) {
  const auto pythons = test::Python::all();
  if (pythons.empty()) WARN("Skipped: there is no Python 3.9 or newer here (set IPC_TEST_PYTHONS).");
  for (const test::Python& python : pythons) {
    INFO(python.program());
    test(python);
  }
}

Bytes bytes(std::string_view text) {
  const auto* data = reinterpret_cast<const std::byte*>(text.data());
  return {data, data + text.size()};
}

}  // namespace

TEST_CASE("Python: reads and writes the memory that we made") {
  with_each_python([](const test::Python& python) {
    const test::UniqueName name;
    const auto memory = SharedMemory::create(300, name);
    std::memcpy(memory.buf().data(), "from C++", 8);
    REQUIRE(python.run(prelude + R"(
memory = keep(SharedMemory(name=name))
assert memory.name == name, memory.name
assert memory.size == 300, memory.size
assert bytes(memory.buf[:8]) == b"from C++"
memory.buf[299] = 42
memory.close()
)",
                       {name.text()}) == 0);
    REQUIRE(memory.buf()[299] == std::byte{42});
    REQUIRE(name.has_memory());
  });
}

TEST_CASE("Python: makes memory that we read, write and leave where it is") {
  with_each_python([](const test::Python& python) {
    const test::UniqueName name;
    REQUIRE(python.run(prelude + R"(
memory = keep(SharedMemory(name=name, create=True, size=5000))
memory.buf[:11] = b"from Python"
memory.close()
)",
                       {name.text()}) == 0);
    {
      const auto memory = SharedMemory::open(name);
      REQUIRE(memory.size() == 5000);
      REQUIRE(std::memcmp(memory.buf().data(), "from Python", 11) == 0);
      memory.buf()[4999] = std::byte{7};
      REQUIRE_THROWS_AS(SharedMemory::create(10, name), std::system_error);
    }
    REQUIRE(python.run(prelude + R"(
memory = SharedMemory(name=name)
assert memory.buf[4999] == 7
memory.close()
memory.unlink()
)",
                       {name.text()}) == 0);
    REQUIRE_FALSE(name.has_memory());
  });
}

TEST_CASE("Python: may take a name of ours away, by unlink or when its resource tracker does, and we do without") {
  with_each_python([](const test::Python& python) {
    const test::UniqueName name;
    const auto memory = SharedMemory::create(10, name);
    REQUIRE(python.run(prelude + "memory = SharedMemory(name=name); memory.close(); memory.unlink()", {name.text()}) == 0);
    REQUIRE_FALSE(name.has_memory());
    memory.buf()[0] = std::byte{1};
    const auto again = SharedMemory::create(10, name);
    REQUIRE(python.run(prelude + "memory = SharedMemory(name=name); memory.close()", {name.text()}) == 0);
    REQUIRE_NOTHROW(SharedMemory(again));
  });
}

TEST_CASE("Python: reads and writes the list that we made") {
  with_each_python([](const test::Python& python) {
    const test::UniqueName name;
    const ShareableList list({"howdy", bytes("HoWdY"), -273.154, 100, nullptr, true, 42, "Grüße, 世界", ""}, name);
    REQUIRE(python.run(prelude + R"(
items = ["howdy", b"HoWdY", -273.154, 100, None, True, 42, "Grüße, 世界", ""]
theirs = ShareableList(name=name)
keep(theirs.shm)
assert list(theirs) == items, list(theirs)
plain = items[:7]
mine = ShareableList(plain)
assert theirs.format.startswith(mine.format), theirs.format
# The frame is the same byte for byte, for those items that Python does not get wrong.
n = len(plain)
assert [type(item) for item in theirs] == [type(item) for item in items]
theirs[0] = "changed"
theirs[1] = 8.5
theirs[-1] = b"12345678"
theirs[3] = None
mine.shm.close(); mine.shm.unlink()
theirs.shm.close()
)",
                       {name.text()}) == 0);
    REQUIRE(list.get<std::string>(0) == "changed");
    REQUIRE(list.get<double>(1) == 8.5);
    REQUIRE(list.get<Bytes>(8) == bytes("12345678"));
    REQUIRE(list.get(3) == nullptr);
  });
}

TEST_CASE("Python: makes the same list byte for byte, and one that we read and write") {
  with_each_python([](const test::Python& python) {
    const test::UniqueName name;
    const test::UniqueName our_name;
    REQUIRE(python.run(prelude + R"(
theirs = ShareableList(["howdy", b"HoWdY", -273.154, 100, None, True, 42, "12345678", b""], name=name)
keep(theirs.shm)
theirs.shm.close()
)",
                       {name.text()}) == 0);
    const auto list = ShareableList::open(name);
    const ShareableList ours({"howdy", bytes("HoWdY"), -273.154, 100, nullptr, true, 42, "12345678", Bytes()}, our_name);
    REQUIRE(list.shm().size() == ours.shm().size());
    REQUIRE(std::memcmp(list.shm().buf().data(), ours.shm().buf().data(), ours.shm().size()) == 0);
    REQUIRE(list.to_vector() == ours.to_vector());
    list.set(0, 1);
    list.set(3, "Grüße");
    list.set(-1, false);
    REQUIRE(python.run(prelude + R"(
theirs = ShareableList(name=name)
assert list(theirs) == [1, b"HoWdY", -273.154, "Grüße", None, True, 42, "12345678", False], list(theirs)
theirs.shm.close()
theirs.shm.unlink()
)",
                       {name.text()}) == 0);
  });
}

TEST_CASE("Python: reads items of ours that end in NUL as it does its own, and writes them in full") {
  with_each_python([](const test::Python& python) {
    const test::UniqueName name;
    const ShareableList list({bytes("ab\0\0"s), "text\0"s, bytes("\0"s)}, name);
    REQUIRE(python.run(prelude + R"(
theirs = ShareableList(name=name)
keep(theirs.shm)
assert list(theirs) == [b"ab", "text", b""], list(theirs)
theirs[0] = b"12345678"
theirs[2] = b"x"
theirs.shm.close()
)",
                       {name.text()}) == 0);
    REQUIRE(list.get<Bytes>(0) == bytes("12345678"));
    REQUIRE(list.get<std::string>(1) == "text\0"s);
    REQUIRE(list.get<Bytes>(2) == bytes("x"));
    REQUIRE(list.format() == "8s5sx8s");
  });
}
