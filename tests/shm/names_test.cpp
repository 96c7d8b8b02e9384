#include "ipc/shm/names.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>
#include <system_error>

#include <ipc/unlink.hpp>

#include "ipc/base/scope_exit.hpp"
#include "ipc/os/held_byte.hpp"
#include "ipc/os/mapping.hpp"
#include "ipc/os/named_file.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"
#include "tests/support/shared.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;

namespace {

void put(const Fd& fd, int value) { std::memcpy(os::Mapping(fd.get(), 4096).data(), &value, sizeof value); }
int get(const Fd& fd) {
  int value = 0;
  std::memcpy(&value, os::Mapping(fd.get(), 4096).data(), sizeof value);
  return value;
}
auto filled_with(int value) {
  return [value](const Fd& fd) { put(fd, value); };
}

/// Runs `body` in a process that is killed when it is done with it.
template <class F>
void in_killed_process(F body) {
  test::ForkedChild child([&] {
    body();
    ::kill(::getpid(), SIGKILL);
  });
  REQUIRE(child.wait() == -SIGKILL);
}

}  // namespace

TEST_CASE("Names: what cannot be one is refused with a sentence") {
  const std::string longest(251, 'x');
  REQUIRE_NOTHROW(shm::Name(longest));
  for (const std::string& name : {std::string(), std::string("a/b"), std::string("a\0b", 3), longest + "x"}) {
    REQUIRE_THROWS_AS(shm::Name(name), std::invalid_argument);
    REQUIRE_THROWS_WITH(shm::Name(name), Catch::Matchers::EndsWith("."));
  }
  REQUIRE_THROWS_AS(shm::Name::of_memory(".."), std::invalid_argument);
  REQUIRE(shm::Name("jobs").path() == "/dev/shm/ipc.jobs");
  REQUIRE(shm::Name::of_memory("jobs").path() == "/dev/shm/jobs");
}

TEST_CASE("Names: a taken name is EEXIST, a missing one ENOENT, and unlink takes it away once") {
  const test::UniqueName name;
  REQUIRE(test::error_of([&] { shm::open_named(shm::Name(name)); }) == ENOENT);
  REQUIRE(test::error_of([&] { ipc::unlink(name.text()); }) == ENOENT);
  const Fd fd = shm::create_named(shm::Name(name), 4096, filled_with(7));
  REQUIRE(test::error_of([&] { shm::create_named(shm::Name(name), 4096, filled_with(8)); }) == EEXIST);
  REQUIRE(get(shm::open_named(shm::Name(name))) == 7);
  ipc::unlink(name.text());
  REQUIRE(test::error_of([&] { ipc::unlink(name.text()); }) == ENOENT);
  REQUIRE_FALSE(name.has_object());
  REQUIRE(get(fd) == 7);
}

TEST_CASE("Names: only the owner may open one, and less if the umask says so") {
  const test::UniqueName name;
  const mode_t mask = GENERATE(0, 0022, 0277);
  const mode_t before = ::umask(mask);
  const base::ScopeExit restore([&] { ::umask(before); });
  const Fd fd = shm::create_named(shm::Name(name), 4096, filled_with(1));
  struct stat facts {};
  REQUIRE(::stat(name.object_path().c_str(), &facts) == 0);
  REQUIRE((facts.st_mode & 07777) == (0600 & ~mask));
}

TEST_CASE("Names: when its creator leaves in order a name persists, with nobody there") {
  const test::UniqueName name;
  test::ForkedChild child([&] {
    const Fd fd = shm::create_named(shm::Name(name), 4096, filled_with(7));
    shm::leave_named(fd.get());
  });
  REQUIRE(child.wait() == 0);
  REQUIRE(test::error_of([&] { shm::create_named(shm::Name(name), 4096, filled_with(8)); }) == EEXIST);
  REQUIRE(get(shm::open_named(shm::Name(name))) == 7);
  ipc::unlink(name.text());
}

TEST_CASE("Names: one whose creator was killed is not found, and made anew") {
  const test::UniqueName name;
  const auto die = [&] { in_killed_process([&] { shm::create_named(shm::Name(name), 4096, filled_with(7)).release(); }); };
  die();
  REQUIRE(name.has_object());
  REQUIRE(test::error_of([&] { shm::open_named(shm::Name(name)); }) == ENOENT);
  REQUIRE_FALSE(name.has_object());
  die();
  const Fd fd = shm::create_named(shm::Name(name), 4096, filled_with(8));
  REQUIRE(get(shm::open_named(shm::Name(name))) == 8);
  ipc::unlink(name.text());
  die();
  const shm::Opened opened = shm::open_or_create_named(shm::Name(name), 4096, filled_with(9));
  REQUIRE(opened.created);
  REQUIRE(get(opened.fd) == 9);
}

TEST_CASE("Names: who has it open keeps the name of a killed creator") {
  const test::UniqueName name;
  Fd held;
  {
    test::ForkedChild creator([&] {
      shm::create_named(shm::Name(name), 4096, filled_with(7)).release();
      ::pause();
    });
    test::wait_until([&] { return name.has_object(); });
    held = shm::open_named(shm::Name(name));
    creator.kill();
    REQUIRE(creator.wait() == -SIGKILL);
  }
  REQUIRE(get(shm::open_named(shm::Name(name))) == 7);
  REQUIRE(test::error_of([&] { shm::create_named(shm::Name(name), 4096, filled_with(8)); }) == EEXIST);
  held.reset();
  REQUIRE(test::error_of([&] { shm::open_named(shm::Name(name)); }) == ENOENT);
}

TEST_CASE("Names: a forked child has open what its parent had") {
  const test::UniqueName name;
  auto shared = test::make_counters();
  test::ForkedChild grandparent([&] {
    const Fd fd = shm::create_named(shm::Name(name), 4096, filled_with(7));
    if (::fork() == 0) {
      ++(*shared)[0];
      test::wait_until([&] { return (*shared)[1] != 0; });
      ::_exit(0);
    }
    test::wait_until([&] { return (*shared)[0] != 0; });
    ::kill(::getpid(), SIGKILL);
  });
  REQUIRE(grandparent.wait() == -SIGKILL);
  REQUIRE(get(shm::open_named(shm::Name(name))) == 7);
  ++(*shared)[1];
}

TEST_CASE("Names: of a name that has been given anew, only the old file's holder's removal does nothing") {
  const test::UniqueName name;
  const Fd first = shm::create_named(shm::Name(name), 4096, filled_with(1));
  ipc::unlink(name.text());
  const Fd second = shm::create_named(shm::Name(name), 4096, filled_with(2));
  REQUIRE_FALSE(shm::remove_named(shm::Name(name), first.get()));
  REQUIRE(name.has_object());
  REQUIRE(shm::remove_named(shm::Name(name), second.get()));
  REQUIRE_FALSE(name.has_object());
}

TEMPLATE_TEST_CASE("Names: of many who create one at the same time one does, and open_or_create gives all the same", "", test::Threads,
                   test::Processes) {
  for (int round = 0; round < 20; ++round) {
    const test::UniqueName name;
    const test::UniqueName other;
    const auto shared = test::make_counters();
    TestType::run(8, [&](int index) {
      ++(*shared)[2];
      test::wait_until([&] { return (*shared)[2] == 8; });
      const auto opened = shm::open_or_create_named(shm::Name(name), 4096, filled_with(100 + index));
      if (opened.created) (*shared)[0] = 100 + index;
      Fd fd;
      if (test::error_of([&] { fd = shm::create_named(shm::Name(other), 4096, filled_with(index)); }) == 0) ++(*shared)[1];
      ++(*shared)[3];
      test::wait_until([&] { return (*shared)[3] == 8; });  // Whoever leaves here leaves like one killed.
      test::require(get(opened.fd) == (*shared)[0], "there were two of the name");
    });
    REQUIRE((*shared)[1] == 1);
  }
}

TEST_CASE("Names: a file has no name until it is filled, and none if that fails") {
  const test::UniqueName name;
  REQUIRE_THROWS_AS(shm::create_named(shm::Name(name), 4096,
                                      [&](const Fd&) {
                                        if (name.has_object()) return;
                                        throw std::runtime_error("no");
                                      }),
                    std::runtime_error);
  REQUIRE_FALSE(name.has_object());
}

TEST_CASE("Names: what could not fit into /dev/shm is refused at once") {
  const test::UniqueName name;
  REQUIRE(test::error_of([&] { shm::create_named(shm::Name(name), std::size_t{1} << 50, [](const Fd&) {}); }) == ENOSPC);
}

TEST_CASE("Named files: are made as well where there is no O_TMPFILE") {
  const test::UniqueName name;
  const std::string directory = "/dev/shm/" + name.text() + "-folder";
  std::filesystem::create_directory(directory);
  const base::ScopeExit remove([&] { std::filesystem::remove_all(directory); });
  {
    os::NamelessFile file(directory, 4096, os::NamelessFile::Way::temporary_name);
    put(file.fd(), 5);
    REQUIRE(file.link(directory + "/a"));
    REQUIRE_FALSE(file.link(directory + "/a"));
  }
  REQUIRE(get(os::open_file(directory + "/a")) == 5);
  REQUIRE(std::distance(std::filesystem::directory_iterator(directory), std::filesystem::directory_iterator()) == 1);
}

TEST_CASE("Named files: a mark stays with the file, whatever is written to it, until it is taken away") {
  const test::UniqueName name;
  const Fd fd = shm::create_named(shm::Name(name), 8192, filled_with(1));
  const Fd other = os::open_file(name.object_path());
  REQUIRE(os::has_file_mark(other.get()));
  os::Mapping(other.get(), 8192).data()[5000] = std::byte{1};
  REQUIRE(::ftruncate(other.get(), 100) == 0);
  REQUIRE(os::has_file_mark(fd.get()));
  shm::leave_named(fd.get());
  REQUIRE_FALSE(os::has_file_mark(other.get()));
}
