#include "ipc/shm/heap.hpp"

#include <atomic>
#include <cstring>
#include <thread>
#include <vector>

#include <ipc/error.hpp>

#include "ipc/os/held_byte.hpp"
#include "ipc/shm/object.hpp"
#include "tests/support/carry.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

namespace {

using namespace ipc;

struct Cell {
  static constexpr shm::Kind kind = shm::Kind::data;
  static constexpr std::uint32_t mutexes = 0;
  explicit Cell(int n = 0) : number(n) {}
  std::atomic<int> number;
};

struct Other : Cell {
  static constexpr shm::Kind kind = shm::Kind::event;
};

using Cells = std::shared_ptr<Cell>;
Cells make_cell(int n = 0) { return shm::make_object<Cell>(n); }

detail::Message message_of(const std::vector<Cells>& cells) {
  detail::Writer writer;
  for (const Cells& cell : cells) shm::encode_object(writer, cell);
  return writer.take();
}

std::size_t used() { return shm::Heap::instance().facts().used_blocks; }
std::size_t held() { return shm::Heap::instance().facts().held_blocks; }

std::shared_ptr<std::byte> make_large(std::size_t size) {
  return shm::Heap::instance().make({shm::Kind::data, size, 0}, [](std::byte*) {});
}

}  // namespace

TEST_CASE("a block lives as long as any copy of its pointer") {
  const std::size_t before = used();
  Cells first = make_cell(7);
  Cells second = first;
  first.reset();
  REQUIRE(used() == before + 1);
  REQUIRE(second->number == 7);
  second.reset();
  REQUIRE(used() == before);
}

TEST_CASE("a forked child holds what it inherited, before and after its parent lets go") {
  const std::size_t before = used();
  Cells cell = make_cell(1);
  const auto go = make_cell();
  test::ForkedChild child([&] {
    test::wait_until([&] { return go->number == 1; });
    cell->number = 2;
    go->number = 2;
    test::wait_until([&] { return go->number == 3; });
    cell.reset();
    go->number = 4;
    test::wait_until([&] { return go->number == 5; });
  });
  cell.reset();
  REQUIRE(used() == before + 2);
  go->number = 1;
  test::wait_until([&] { return go->number == 2; });
  REQUIRE(used() == before + 2);
  go->number = 3;
  test::wait_until([&] { return go->number == 4; });
  REQUIRE(used() == before + 1);
  go->number = 5;
  REQUIRE(child.wait() == 0);
}

TEST_CASE("what a killed child held is freed, though it was killed before it ran") {
  const std::size_t before = used();
  std::vector<Cells> cells;
  for (int i = 0; i < 100; ++i) cells.push_back(make_cell(i));
  for (int i = 0; i < 20; ++i) test::ForkedChild([] { ::pause(); }).kill();
  REQUIRE(used() == before + 100);
  cells.clear();
  REQUIRE(used() == before);
}

TEST_CASE("a handle reaches a process that was forked before its object existed") {
  auto [here, there] = os::packet_socket_pair();
  test::ForkedChild child([&, &there = there] {
    detail::Message message = test::receive_message(there.get());
    detail::Reader reader(message);
    const auto first = shm::decode_object<Cell>(reader);
    const auto second = shm::decode_object<Cell>(reader);
    first->number += 1;
    second->number += 1;
    const bool same = shm::Heap::instance().facts().segments == 1;
    return same ? 0 : 1;
  });
  const auto a = make_cell(10);
  const auto b = make_cell(20);
  const detail::Message message = message_of({a, b});
  REQUIRE(message.fds.size() == 1);
  test::send_message(here.get(), message);
  REQUIRE(child.wait() == 0);
  REQUIRE(a->number == 11);
  REQUIRE(b->number == 21);
}

TEST_CASE("an object in a message lives although its sender let go and died, until the message is read or dropped") {
  const Cells first = make_cell();  // Makes the arena, so that the children use it and not one of their own.
  const std::size_t before = used();
  auto [here, there] = os::packet_socket_pair();
  const auto send_one = [&, &there = there] {
    test::ForkedChild child([&] { test::send_message(there.get(), message_of({make_cell(5), make_cell(6)})); });
    REQUIRE(child.wait() == 0);
  };
  SECTION("read") {
    send_one();
    REQUIRE(used() == before + 2);
    detail::Message message = test::receive_message(here.get());
    detail::Reader reader(message);
    const auto five = shm::decode_object<Cell>(reader);
    REQUIRE(used() == before + 2);
    REQUIRE(shm::decode_object<Cell>(reader)->number == 6);
    REQUIRE(five->number == 5);
    REQUIRE(used() == before + 1);
  }
  SECTION("dropped") {
    send_one();
    here.reset();
    there.reset();
    REQUIRE(used() == before);
  }
  REQUIRE(used() == before);
}

TEST_CASE("a message that is copied with its descriptors can be read as often") {
  const std::size_t before = used();
  auto cell = make_cell(3);
  detail::Message one = message_of({cell});
  detail::Message two{one.bytes, {}};
  two.fds.push_back(one.fds[0].duplicate());
  cell.reset();
  REQUIRE(used() == before + 1);
  detail::Reader first(one);
  REQUIRE(shm::decode_object<Cell>(first)->number == 3);
  REQUIRE(used() == before + 1);
  detail::Reader second(two);
  REQUIRE(shm::decode_object<Cell>(second)->number == 3);
  REQUIRE(used() == before);
}

TEST_CASE("more messages than there are numbers for holders come and go") {
  const std::size_t before = used();
  for (int i = 0; i < 5000; ++i) {
    auto cell = make_cell(i);
    detail::Message message = message_of({cell});
    cell.reset();
    detail::Reader reader(message);
    if (shm::decode_object<Cell>(reader)->number != i) FAIL("the wrong cell");
  }
  REQUIRE(used() == before);
}

TEST_CASE("bytes that are no handle, or one of another kind, or of an object that is gone, are an encoding error") {
  auto cell = make_cell(3);
  const detail::Message good = message_of({cell});
  const auto copy = [&] {
    detail::Message message{good.bytes, {}};
    message.fds.push_back(good.fds[0].duplicate());
    return message;
  };
  const auto decoding = [](detail::Message message) {
    detail::Reader reader(message);
    return shm::decode_object<Cell>(reader);
  };
  REQUIRE(decoding(copy()) == cell);
  auto other_kind = copy();
  detail::Reader reader(other_kind);
  REQUIRE_THROWS_AS(shm::decode_object<Other>(reader), EncodingError);
  for (std::size_t byte = 0; byte < good.bytes.size(); ++byte) {
    auto damaged = copy();
    damaged.bytes[byte] ^= std::byte{0x40};
    bool refused = false;
    try {
      refused = decoding(std::move(damaged)) == cell;  // A byte that nobody needed.
    } catch (const EncodingError&) {
      refused = true;
    }
    REQUIRE(refused);
  }
  auto no_fd = copy();
  no_fd.fds.clear();
  REQUIRE_THROWS_AS(decoding(std::move(no_fd)), EncodingError);
  auto wrong_fd = copy();
  wrong_fd.fds[0] = os::make_memfd("other", 100);
  REQUIRE_THROWS_AS(decoding(std::move(wrong_fd)), EncodingError);
}

TEST_CASE("a message without its hold finds nothing when its object is gone") {
  auto cell = make_cell(3);
  detail::Message message = message_of({cell});
  message.fds[0] = os::reopen(message.fds[0].get());  // The same file, but not the message's own.
  cell.reset();
  used();  // Sweeps.
  detail::Reader reader(message);
  REQUIRE_THROWS_AS(shm::decode_object<Cell>(reader), EncodingError);
}

TEST_CASE("a hundred thousand small objects need two descriptors") {
  std::vector<Cells> cells;
  const int before = Fd::duplicate_of(0).get();
  for (int i = 0; i < 100'000; ++i) cells.push_back(make_cell(i));
  REQUIRE(Fd::duplicate_of(0).get() <= before + 2);
  long sum = 0;
  for (const Cells& cell : cells) sum += cell->number;
  REQUIRE(sum == 99'999L * 50'000);
  REQUIRE(held() >= 100'000);
}

TEST_CASE("when a segment is full, another one serves") {
  const std::size_t segments = shm::Heap::instance().facts().segments;
  std::vector<std::shared_ptr<std::byte>> blocks;
  for (int i = 0; i < 20; ++i) blocks.push_back(make_large(std::size_t{7} << 20));
  REQUIRE(shm::Heap::instance().facts().segments > segments);
  for (const auto& block : blocks) REQUIRE(block.get()[(std::size_t{7} << 20) - 1] == std::byte{0});
  shm::Heap::instance().check();
}

TEST_CASE("an object too large for an arena has a segment, and works like any other") {
  const std::size_t size = std::size_t{100} << 20;
  const std::size_t segments = shm::Heap::instance().facts().segments;
  auto [here, there] = os::packet_socket_pair();
  {
    const auto large = make_large(size);
    REQUIRE(shm::Heap::instance().capacity(large.get()) >= size);
    REQUIRE(shm::Heap::instance().facts().segments == segments + 1);
    large.get()[size - 1] = std::byte{42};
    test::ForkedChild child([&] { large.get()[0] = std::byte{1}; });
    REQUIRE(child.wait() == 0);
    REQUIRE(large.get()[0] == std::byte{1});
    detail::Writer writer;
    shm::Heap::instance().encode(writer, large.get());
    test::send_message(here.get(), writer.take());
  }
  REQUIRE(shm::Heap::instance().facts().segments == segments);
  detail::Message message = test::receive_message(there.get());
  detail::Reader reader(message);
  const auto large = shm::Heap::instance().decode(reader, shm::Kind::data, size);
  REQUIRE(large.get()[size - 1] == std::byte{42});
}

TEST_CASE("a segment received from a stranger is unmapped with its last handle") {
  const Fd file = os::make_memfd("stranger", shm::arena_size);
  const os::Mapping mapped(file.get(), shm::arena_size);
  shm::Arena arena(mapped, file.get());
  arena.format();
  const auto [number, life] = arena.new_holder();
  const auto offset = arena.allocate({shm::Kind::data, sizeof(Cell), 0}, number, [](std::byte* at) { new (at) Cell(9); });
  const auto reference = arena.reference_to(*offset);
  detail::Writer writer;
  writer.raw(os::file_facts(file.get()).id);
  writer.raw(reference.offset);
  writer.raw(reference.generation);
  writer.raw(reference.kind);
  writer.raw(shm::crowd);
  writer.raw(std::uint32_t{1});
  writer.raw(std::uint32_t{1});
  writer.fd(file.duplicate());
  detail::Message message = writer.take();
  const std::size_t segments = shm::Heap::instance().facts().segments;
  detail::Reader reader(message);
  auto cell = shm::decode_object<Cell>(reader);
  REQUIRE(cell->number == 9);
  REQUIRE(shm::Heap::instance().facts().segments == segments + 1);
  arena.release(*offset, number);
  REQUIRE(arena.used_blocks() == 1);
  cell.reset();
  REQUIRE(shm::Heap::instance().facts().segments == segments);
  REQUIRE(arena.used_blocks() == 0);
}

TEST_CASE("forking while other threads allocate and release loses and leaks nothing") {
  const std::size_t before = used();
  {
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&] {
        std::vector<Cells> mine(20);
        for (std::size_t i = 0; !stop; ++i) mine[i % mine.size()] = make_cell(static_cast<int>(i));
      });
    }
    const auto kept = make_cell(1);
    for (int i = 0; i < 60; ++i) {
      test::ForkedChild child([&] {
        const auto own = make_cell(5);
        return own->number == 5 && kept->number == 1 ? 0 : 1;
      });
      if (child.wait() != 0) FAIL("a child failed");
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }
  REQUIRE(used() == before);
  shm::Heap::instance().check();
}
