#include <ipc/shared_memory.hpp>

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <regex>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include <ipc/error.hpp>

#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"
#include "tests/support/shared.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;

TEST_CASE("SharedMemory: has a name, a size, and zeros, and who opens it sees the same bytes") {
  const test::UniqueName name;
  const auto memory = SharedMemory::create(512, name);
  REQUIRE(memory.name() == name.text());
  REQUIRE(memory.size() == 512);
  REQUIRE(memory.buf().size() == 512);
  for (const std::byte byte : memory.buf()) REQUIRE(byte == std::byte{0});
  memory.buf()[511] = std::byte{7};
  const auto other = SharedMemory::open(name);
  REQUIRE(other == memory);
  REQUIRE(other.size() == 512);
  REQUIRE(other.buf().data() != memory.buf().data());
  other.buf()[0] = std::byte{8};
  REQUIRE(memory.buf()[0] == std::byte{8});
  REQUIRE(other.buf()[511] == std::byte{7});
  struct stat facts {};
  REQUIRE(::stat(name.memory_path().c_str(), &facts) == 0);
  REQUIRE((facts.st_mode & 07777) == 0600);
  REQUIRE(facts.st_size == 512);
}

TEST_CASE("SharedMemory: bad arguments, taken and missing names") {
  const test::UniqueName name;
  REQUIRE_THROWS_AS(SharedMemory::create(0), std::invalid_argument);
  REQUIRE_THROWS_AS(SharedMemory::create(static_cast<std::size_t>(-1)), std::invalid_argument);
  REQUIRE_THROWS_AS(SharedMemory::create(1, "a/b"), std::invalid_argument);
  REQUIRE_THROWS_AS(SharedMemory::create(1, std::string_view("a\0b", 3)), std::invalid_argument);
  REQUIRE_THROWS_AS(SharedMemory::open(""), std::invalid_argument);
  REQUIRE(test::error_of([&] { SharedMemory::open(name); }) == ENOENT);
  const auto memory = SharedMemory::create(1, name);
  REQUIRE(test::error_of([&] { SharedMemory::create(1, name); }) == EEXIST);
  memory.unlink();
  REQUIRE(test::error_of([&] { memory.unlink(); }) == ENOENT);
  REQUIRE(test::error_of([&] { SharedMemory::open(name); }) == ENOENT);
  memory.buf()[0] = std::byte{1};  // Still there.
  REQUIRE(test::error_of([&] { SharedMemory::create(std::size_t{1} << 50); }) == ENOSPC);
}

TEST_CASE("SharedMemory: without a name gets one like Python's") {
  const auto a = SharedMemory::create(1);
  const auto b = SharedMemory::create(1);
  REQUIRE(std::regex_match(a.name(), std::regex("psm_[0-9a-f]{8}")));
  REQUIRE(a.name() != b.name());
  REQUIRE(SharedMemory::open(a.name()) == a);
}

TEST_CASE("SharedMemory: the name goes with the last handle of the maker, and with no other") {
  const test::UniqueName name;
  std::optional<SharedMemory> opened;
  {
    const auto memory = SharedMemory::create(16, name);
    { const SharedMemory copy = memory; }
    { const auto other = SharedMemory::open(name); }
    test::ForkedChild child([&] {
      { const auto other = SharedMemory::open(name); }
      const SharedMemory copy = memory;
      memory.buf()[1] = std::byte{5};
      std::exit(0);
    });
    REQUIRE(child.wait() == 0);
    REQUIRE(name.has_memory());
    opened = SharedMemory::open(name);
  }
  REQUIRE_FALSE(name.has_memory());
  REQUIRE(opened->buf()[1] == std::byte{5});
}

TEST_CASE("SharedMemory: the name goes when the maker exits with the handle in its hands") {
  const test::UniqueName name;
  const bool leaves_by_return = GENERATE(true, false);
  test::ForkedChild child([&] {
    static std::optional<SharedMemory> memory;
    memory = SharedMemory::create(16, name);
    if (!leaves_by_return) std::exit(0);
    memory.reset();
  });
  REQUIRE(child.wait() == 0);
  REQUIRE_FALSE(name.has_memory());
}

TEST_CASE("SharedMemory: a maker that was killed leaves a name that can be made again") {
  const test::UniqueName name;
  test::ForkedChild child([&] {
    const auto memory = SharedMemory::create(16, name);
    ::raise(SIGKILL);
  });
  REQUIRE(child.wait() == -SIGKILL);
  SECTION("which create does") { REQUIRE(SharedMemory::create(32, name).size() == 32); }
  SECTION("and open does not find") {
    REQUIRE(test::error_of([&] { SharedMemory::open(name); }) == ENOENT);
  }
  REQUIRE_FALSE(name.has_memory());
}

TEST_CASE("SharedMemory: the automatic names of the killed are swept by whoever makes some next") {
  const auto shared = test::make_counters();
  test::ForkedChild child([&] {
    const auto memory = SharedMemory::create(16);
    for (std::size_t i = 0; i < memory.name().size(); ++i) (*shared)[i] = memory.name()[i];
    if (!std::filesystem::exists("/dev/shm/" + memory.name())) return 1;
    ::raise(SIGKILL);
    return 0;
  });
  REQUIRE(child.wait() == -SIGKILL);
  std::string left = "/dev/shm/";
  for (std::size_t i = 0; (*shared)[i] != 0; ++i) left += static_cast<char>((*shared)[i]);
  // It was there before the kill; any other program's sweep may have come first since.
  test::wait_until([&] {  // At the next power of two of its makings.
    static_cast<void>(SharedMemory::create(1));
    return !std::filesystem::exists(left);
  });
}

TEST_CASE("SharedMemory: close ends one handle's use, and unlink is possible afterwards") {
  const test::UniqueName name;
  const auto memory = SharedMemory::create(16, name);
  const SharedMemory copy = memory;
  memory.close();
  memory.close();
  REQUIRE_THROWS_AS(memory.buf(), UsageError);
  REQUIRE(memory.size() == 16);
  copy.buf()[0] = std::byte{1};
  REQUIRE(name.has_memory());
  memory.unlink();
  REQUIRE_FALSE(name.has_memory());
}

TEST_CASE("SharedMemory: who has memory of a name that was given anew does not take that away") {
  const test::UniqueName name;
  std::optional<SharedMemory> first = SharedMemory::create(16, name);
  first->unlink();
  const auto second = SharedMemory::create(32, name);
  REQUIRE(test::error_of([&] { first->unlink(); }) == ENOENT);
  first.reset();
  REQUIRE(SharedMemory::open(name) == second);
}

TEST_CASE("SharedMemory: travels in messages, also when its name is gone, and with its maker's end") {
  const test::UniqueName name;
  auto [here, there] = os::packet_socket_pair();
  {
    test::ForkedChild child([&, &there = there] {
      const auto memory = SharedMemory::create(16, name);
      memory.buf()[3] = std::byte{9};
      test::send_message(there.get(), test::to_message(memory));
    });
    REQUIRE(child.wait() == 0);
  }
  REQUIRE_FALSE(name.has_memory());
  const auto memory = test::from_message<SharedMemory>(test::receive_message(here.get()));
  REQUIRE(memory.name() == name.text());
  REQUIRE(memory.buf()[3] == std::byte{9});
  REQUIRE(test::error_of([&] { memory.unlink(); }) == ENOENT);
}

TEST_CASE("SharedMemory: bytes that are no handle of it are refused") {
  const auto memory = SharedMemory::create(16);
  auto message = test::to_message(memory);
  SECTION("without the descriptor") { message.fds.clear(); }
  SECTION("cut short") { message.bytes.resize(6); }
  SECTION("with a length beyond all") { std::memset(message.bytes.data(), 0xff, 4); }
  SECTION("with a name that is none") { message.bytes[5] = std::byte{'/'}; }
  SECTION("with a descriptor that cannot be mapped") { message.fds[0] = os::packet_socket_pair().first; }
  REQUIRE_THROWS_AS(test::from_message<SharedMemory>(std::move(message)), EncodingError);
}

TEST_CASE("SharedMemory: a name that Python has made but not filled yet is not there yet") {
  const test::UniqueName name;
  const Fd file(::open(name.memory_path().c_str(), O_CREAT | O_RDWR, 0600));
  REQUIRE(test::error_of([&] { SharedMemory::open(name); }) == EAGAIN);
}
