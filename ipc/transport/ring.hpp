#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace ipc::transport {

/// Larger than the coherence unit of every processor this runs on, prefetched pairs included. A constant of ours: the
/// compiler's own varies with version and tuning, and both sides must agree.
inline constexpr std::size_t cache_line = 128;

/// The shared words of a byte ring with one producer and one consumer. NOTE: wire structure.
///
/// Invariants
/// 1. `tail` counts the bytes ever written, `head` those ever read; neither wraps in the life of a machine.
/// 2. head <= tail <= head + capacity. Only the producer stores `tail`, only the consumer stores `head`.
/// 3. The bytes [head, tail) are complete: they were written before `tail` was stored.
///
/// If a process is killed: what the producer wrote behind `tail` was never there; what the consumer had read but not
/// released by storing `head` is still there. Each store is a commit; there is nothing to repair.
struct RingWords {
  alignas(cache_line) std::atomic<std::uint64_t> tail;
  alignas(cache_line) std::atomic<std::uint64_t> head;
};
static_assert(sizeof(RingWords) == 2 * cache_line && std::is_standard_layout_v<RingWords> && std::is_trivially_destructible_v<RingWords>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

/// Thrown away with the peer that wrote them: indices that break invariant 2 come from a hostile or damaged peer.
[[noreturn]] void fail_corrupt_ring();

/// The producer's end. `data` is mapped twice in a row (os::MirroredMapping), so that free room is contiguous.
/// One thread at a time; does not own the memory.
class RingWriter {
 public:
  RingWriter(RingWords& words, std::byte* data, std::size_t capacity) noexcept
      : words_(&words),
        data_(data),
        capacity_(capacity),
        // relaxed: nobody else stores `tail`; after a fork this picks up where the creator stopped.
        tail_(words.tail.load(std::memory_order_relaxed)),
        published_(tail_),
        head_seen_(tail_ - capacity) {}  // No room is known to be free until `refresh` has looked (and checked).

  std::size_t capacity() const noexcept { return capacity_; }
  /// Contiguous free bytes; looks at the consumer's progress only when fewer than `wanted` are known to be free.
  std::span<std::byte> room(std::size_t wanted) {
    if (capacity_ - (tail_ - head_seen_) < wanted) refresh();
    return {data_ + (tail_ & (capacity_ - 1)), capacity_ - static_cast<std::size_t>(tail_ - head_seen_)};
  }
  /// The first `size` bytes of `room` are written; nobody sees them before `publish`.
  void advance(std::size_t size) noexcept { tail_ += size; }
  bool has_unpublished() const noexcept { return tail_ != published_; }
  void publish() noexcept {
    // SYNC POINT: ring bytes visible in RingReader::refresh
    words_->tail.store(tail_, std::memory_order_release);
    published_ = tail_;
  }

 private:
  void refresh() {
    // SYNC POINT: ring room reusable after RingReader::consume
    const auto head = words_->head.load(std::memory_order_acquire);
    if (head > published_ || tail_ - head > capacity_) fail_corrupt_ring();
    head_seen_ = head;
  }

  RingWords* words_;
  std::byte* data_;
  std::size_t capacity_;
  std::uint64_t tail_;
  std::uint64_t published_;
  std::uint64_t head_seen_;
};

/// The consumer's end. One thread at a time; does not own the memory.
class RingReader {
 public:
  RingReader(RingWords& words, const std::byte* data, std::size_t capacity) noexcept
      : words_(&words),
        data_(data),
        capacity_(capacity),
        // relaxed: nobody else stores `head`.
        head_(words.head.load(std::memory_order_relaxed)),
        tail_seen_(head_) {}

  std::size_t capacity() const noexcept { return capacity_; }
  /// What is there to read, contiguous; looks at the producer's progress only when less than `wanted` is known.
  std::span<const std::byte> readable(std::size_t wanted) {
    if (tail_seen_ - head_ < wanted) refresh();
    return {data_ + (head_ & (capacity_ - 1)), static_cast<std::size_t>(tail_seen_ - head_)};
  }
  /// Releases the first `size` bytes of `readable` to the producer.
  void consume(std::size_t size) noexcept {
    head_ += size;
    // SYNC POINT: ring room reusable after RingReader::consume
    words_->head.store(head_, std::memory_order_release);
  }

 private:
  void refresh() {
    // SYNC POINT: ring bytes visible in RingReader::refresh
    const auto tail = words_->tail.load(std::memory_order_acquire);
    if (tail < tail_seen_ || tail - head_ > capacity_) fail_corrupt_ring();
    tail_seen_ = tail;
  }

  RingWords* words_;
  const std::byte* data_;
  std::size_t capacity_;
  std::uint64_t head_;
  std::uint64_t tail_seen_;
};

}  // namespace ipc::transport
