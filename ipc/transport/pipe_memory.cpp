#include "ipc/transport/pipe_memory.hpp"

#include <bit>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/memfd.hpp"

namespace ipc::transport {
namespace {

constexpr std::size_t control_size = 4096;

[[noreturn]] void fail_no_pipe() { throw EncodingError("The descriptor received as a connection's memory is not one."); }

std::size_t capacity_of(const Fd& memory) {
  const std::size_t size = os::file_facts(memory.get()).size;
  const std::size_t capacity = size > control_size ? (size - control_size) / 2 : 0;
  // A file that could shrink under our mapping would kill us.
  if (size != control_size + 2 * capacity || !std::has_single_bit(capacity) || capacity < control_size || !os::cannot_shrink(memory.get()))
    fail_no_pipe();
  return capacity;
}

}  // namespace

PipeMemory PipeMemory::create(std::size_t capacity) {
  PipeMemory memory(os::make_memfd("ipc-pipe", control_size + 2 * capacity), capacity);
  // SUBTLE: a fresh memfd is zeros, and zeros are a valid PipeWords but for these.
  PipeWords& words = memory.words();
  words.magic = PipeWords::this_magic;
  for (PipeDirection& direction : words.directions) {
    // Invariant 2: the doorbell is asked for from the beginning.
    direction.ring.tail.store(bell_wanted, std::memory_order_relaxed);
    direction.consumer.bells.store(1, std::memory_order_relaxed);
  }
  return memory;
}

PipeMemory::PipeMemory(Fd fd, std::size_t capacity)
    : fd_(std::move(fd)),
      control_(fd_.get(), control_size),
      data_{os::MirroredMapping(fd_.get(), capacity, control_size), os::MirroredMapping(fd_.get(), capacity, control_size + capacity)} {}

PipeMemory PipeMemory::open(Fd fd) {
  const std::size_t capacity = capacity_of(fd);
  PipeMemory memory(std::move(fd), capacity);
  if (memory.words().magic != PipeWords::this_magic) fail_no_pipe();
  return memory;
}

}  // namespace ipc::transport
