#include "ipc/queue/ring.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/file_space.hpp"

namespace ipc::queues {
namespace {

constexpr std::size_t reserve_step = std::size_t{1} << 20;

}  // namespace

void Window::map(std::size_t capacity) {
  os::Mapping bigger(file_, capacity, true, ring_offset);
  data_ = bigger.data();
  size_ = capacity;
  mapping_ = std::move(bigger);
}

void Window::write_wrapped(std::size_t from, std::span<const std::byte> bytes) const noexcept {
  const std::size_t first = capacity_ - from;
  std::memcpy(data_ + from, bytes.data(), first);
  std::memcpy(data_, bytes.data() + first, bytes.size() - first);
}

void Window::read_wrapped(std::size_t from, std::span<std::byte> bytes) const noexcept {
  const std::size_t first = capacity_ - from;
  std::memcpy(bytes.data(), data_ + from, first);
  std::memcpy(bytes.data() + first, data_, bytes.size() - first);
}

void Window::reserve_below(std::uint64_t end) {
  const std::uint64_t reserved = words_->reserved;
  if (end <= reserved) return;
  const std::uint64_t to = std::min<std::uint64_t>((end + reserve_step - 1) / reserve_step * reserve_step, std::max(capacity_, end));
  os::reserve_space(file_, ring_offset + reserved, to - reserved);
  words_->reserved = to;
}

void Window::resize(Mark head, Mark tail, std::size_t to) {
  const std::size_t from = capacity_;
  if (to > from) {
    os::extend_file(file_, ring_offset + to);
    if (size_ < to) map(to);
    // First, so that what a killed process leaves behind is found by the next one that shrinks.
    words_->touched.store(std::max<std::uint64_t>(words_->touched.load(std::memory_order_relaxed), to), std::memory_order_relaxed);
  }
  // Runs of records that lie in a row now and will do so then. None goes to where another lies: as all of them fit into the
  // smaller of the two rings, their places modulo its capacity differ.
  const std::size_t block = std::min(from, to);
  const std::uint64_t begin = std::uint64_t{head.units} * unit;
  const std::uint64_t end = begin + std::uint64_t{(tail - head).units} * unit;
  for (std::uint64_t at = begin; at < end;) {
    const std::uint64_t size = std::min(end, (at / block + 1) * block) - at;
    const std::uint64_t source = at & (from - 1);
    const std::uint64_t target = at & (to - 1);
    if (source != target) {
      if (to > from) reserve_below(target + size);
      IPC_KILL_POINT("queue.resize.before_copy");
      std::memcpy(data_ + target, data_ + source, size);
    }
    at += size;
  }
  if (to < from && words_->reserved > to) words_->reserved = to;
  IPC_KILL_POINT("queue.resize.before_commit");
  // Relaxed: read under one of the locks, both of which are held here.
  words_->capacity.store(to, std::memory_order_relaxed);
  capacity_ = to;
  IPC_KILL_POINT("queue.resize.committed");
  const std::uint64_t touched = words_->touched.load(std::memory_order_relaxed);
  if (to <= from && touched > to) {
    os::discard_space(file_, ring_offset + to, touched - to);
    IPC_KILL_POINT("queue.resize.discarded");
    words_->touched.store(to, std::memory_order_relaxed);
  }
}

}  // namespace ipc::queues
