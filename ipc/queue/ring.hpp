#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "ipc/base/fetch.hpp"
#include "ipc/os/mapping.hpp"
#include "ipc/queue/layout.hpp"

namespace ipc::queues {

/// This process's view of the ring from one side: that of those who put, or that of those who get. Mapped at first use, and
/// again where the ring has outgrown it; a ring that has shrunk fits still. Used only by whoever holds that side's lock, so that
/// nobody else looks through a mapping while it is replaced.
class Window {
 public:
  Window(QueueWords& words, int file) noexcept : words_(&words), file_(file) {}

  /// To be called before the ones below, each time the lock has been taken.
  void adjust() {
    capacity_ = words_->capacity.load(std::memory_order_relaxed);  // Relaxed: the side's lock orders it.
    if (size_ < capacity_) map(capacity_);
  }
  std::size_t capacity() const noexcept { return capacity_; }
  /// Copies to and from the bytes that begin `offset` bytes behind a mark.
  void write(Mark at, std::size_t offset, std::span<const std::byte> bytes) const noexcept {
    const std::size_t from = place(at, offset, capacity_);
    if (bytes.size() > capacity_ - from) return write_wrapped(from, bytes);
    if (!bytes.empty()) std::memcpy(data_ + from, bytes.data(), bytes.size());
  }
  void read(Mark at, std::size_t offset, std::span<std::byte> bytes) const noexcept {
    const std::size_t from = place(at, offset, capacity_);
    if (bytes.size() > capacity_ - from) return read_wrapped(from, bytes);
    if (!bytes.empty()) std::memcpy(bytes.data(), data_ + from, bytes.size());
  }
  /// The same for items of one size, each of which takes so many units.
  void write_row(Mark at, std::uint32_t units, std::size_t size, const std::byte* items, std::size_t count) const noexcept {
    for_runs(at, units, size, count, [&](Mark to, std::size_t offset, std::size_t bytes) { write(to, 0, {items + offset, bytes}); });
  }
  void read_row(Mark at, std::uint32_t units, std::size_t size, std::byte* items, std::size_t count) const noexcept {
    for_runs(at, units, size, count, [&](Mark from, std::size_t offset, std::size_t bytes) { read(from, 0, {items + offset, bytes}); });
  }
  /// Has the line at a mark fetched early.
  void fetch(Mark at) const noexcept { __builtin_prefetch(data_ + place(at, 0, capacity_)); }
  void fetch_for_writing(Mark at) const noexcept { base::fetch_for_writing(data_ + place(at, 0, capacity_)); }
  template <class T>
  T read(Mark at, std::size_t offset) const noexcept {
    T value;
    read(at, offset, std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

  /// Under both locks: makes the capacity `to`, with all that lies between head and tail in its new place.
  /// Throws `std::system_error` when there is no memory for it; nothing has changed then.
  void resize(Mark head, Mark tail, std::size_t to);
  /// Under put_lock: puts memory behind the record that is to be written at `at`. Throws `std::system_error`.
  void reserve(Mark at, std::size_t bytes) {
    const std::size_t end = std::min(place(at, 0, capacity_) + bytes, capacity_);
    if (end > words_->reserved) reserve_below(end);
  }

 private:
  void map(std::size_t capacity);
  void write_wrapped(std::size_t from, std::span<const std::byte> bytes) const noexcept;
  void read_wrapped(std::size_t from, std::span<std::byte> bytes) const noexcept;
  void reserve_below(std::uint64_t end);
  /// Runs of bytes that lie in a row on both sides: all of the items, if they fill their units.
  template <class F>
  static void for_runs(Mark at, std::uint32_t units, std::size_t size, std::size_t count, F f) {
    if (size == units * unit) return f(at, 0, size * count);
    for (std::size_t i = 0; i < count; ++i) f(at.after(static_cast<std::uint32_t>(i), units), i * size, size);
  }
  std::size_t place(Mark at, std::size_t offset, std::size_t capacity) const noexcept {
    return (std::size_t{at.units} * unit + offset) & (capacity - 1);
  }

  QueueWords* words_;
  int file_;
  std::size_t capacity_ = 0;
  // SUBTLE: whoever forks while another thread is in `map` gives the child `data_` and `size_` as they are at that moment; they
  // are stored in an order in which the child finds `size_` bytes at `data_` in any case.
  std::byte* volatile data_ = nullptr;
  volatile std::size_t size_ = 0;
  os::Mapping mapping_;
};

}  // namespace ipc::queues
