// CPython's tests of SharedMemory and ShareableList, by their names, as far as they tell of processes; the others stand in
// tests/shm.
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <optional>
#include <string>

#include <ipc/event.hpp>
#include <ipc/shareable_list.hpp>
#include <ipc/shared_memory.hpp>

#include "tests/conformance/place.hpp"
#include "tests/support/shm_names.hpp"

using namespace ipc;
using namespace ipc::test;

namespace {

struct Nothing {};

struct Memories : Suite<Nothing> {
  void test_shared_memory_across_processes() const {
    const UniqueName name;
    const auto memory = SharedMemory::create(512, name);
    elsewhere(
        [](const std::string& text, const SharedMemory& same) {
          const auto opened = SharedMemory::open(text);
          require(opened == same && opened.size() == 512 && same.name() == text, "not the same memory");
          opened.buf()[0] = std::byte{1};
          same.buf()[1] = std::byte{2};
        },
        name.text(), memory);
    REQUIRE(memory.buf()[0] == std::byte{1});
    REQUIRE(memory.buf()[1] == std::byte{2});
    REQUIRE(name.has_memory());  // Who only opened it does not take it away.
  }

  void test_shared_memory_pickle_unpickle_dead_object() const {
    const UniqueName name;
    const auto memory = SharedMemory::create(16, name);
    memory.unlink();
    elsewhere(
        [](const std::string& text, const SharedMemory& same) {
          require(error_of([&] { SharedMemory::open(text); }) == ENOENT, "a name that is gone was found");
          same.buf()[3] = std::byte{9};  // Better than Python: the memory itself travels.
        },
        name.text(), memory);
    REQUIRE(memory.buf()[3] == std::byte{9});
  }

  void test_shared_memory_ShareableList_pickling() const {
    const ShareableList list{"1", 2, 3.5, "4", nullptr};
    elsewhere(
        [](const ShareableList& same) {
          require(same.size() == 5 && same.get<std::string>(0) == "1" && same.get<double>(2) == 3.5, "not the same list");
          same.set(1, -2);
          same.set(-1, true);
          require(throws<std::out_of_range>([&] { static_cast<void>(same.get(-6)); }), "before the beginning");
        },
        list);
    REQUIRE(list.get<int>(1) == -2);
    REQUIRE(list.get<bool>(4));
  }

  void test_shared_memory_cleaned_after_process_termination() const {
    if (place == Place::threads) return;
    const UniqueName name;
    const Event made;
    const Event never;
    Process owner(
        {.daemon = true, .start_method = place == Place::fork ? StartMethod::fork : StartMethod::spawn},
        [](const std::string& text, const Event& is_made, const Event& end) {
          const auto memory = SharedMemory::create(10, text);
          is_made.set();
          end.wait();
        },
        name.text(), made, never);
    owner.start();
    made.wait();
    REQUIRE(name.has_memory());
    owner.terminate();
    owner.join();
    REQUIRE(owner.exitcode() == -SIGTERM);
    REQUIRE(error_of([&] { SharedMemory::open(name); }) == ENOENT);
    REQUIRE_FALSE(name.has_memory());
  }
};

}  // namespace

TEST_CASE("_TestSharedMemory.test_shared_memory_across_processes, of a name") {
  everywhere(&Memories::test_shared_memory_across_processes);
}
TEST_CASE("_TestSharedMemory.test_shared_memory_pickle_unpickle_dead_object, of a name") {
  everywhere(&Memories::test_shared_memory_pickle_unpickle_dead_object);
}
TEST_CASE("_TestSharedMemory.test_shared_memory_ShareableList_pickling, of a name") {
  everywhere(&Memories::test_shared_memory_ShareableList_pickling);
}
TEST_CASE("_TestSharedMemory.test_shared_memory_cleaned_after_process_termination, of a name") {
  everywhere(&Memories::test_shared_memory_cleaned_after_process_termination);
}
