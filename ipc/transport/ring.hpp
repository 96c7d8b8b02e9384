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
/// The word `tail`:  bits 0-62  the count
///                   bit 63     the consumer wants the doorbell rung when `tail` advances. Only the consumer sets it, and only
///                              while `tail` is what it has seen; the producer takes it away with the store that advances
///                              `tail`, so that exactly one of the two sees what the other did. (Channels do without it.)
///
/// If a process is killed: what the producer wrote behind `tail` was never there; what the consumer had read but not
/// released by storing `head` is still there. Each store is a commit; there is nothing to repair.
struct RingWords {
  alignas(cache_line) std::atomic<std::uint64_t> tail;
  alignas(cache_line) std::atomic<std::uint64_t> head;
};
static_assert(sizeof(RingWords) == 2 * cache_line && std::is_standard_layout_v<RingWords> && std::is_trivially_destructible_v<RingWords>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

inline constexpr std::uint64_t bell_wanted = std::uint64_t{1} << 63;
constexpr std::uint64_t count_of(std::uint64_t tail) noexcept { return tail & ~bell_wanted; }

/// The memory orders that the two ends need. Tests put weaker ones in their place, which ThreadSanitizer has to notice.
struct RingOrders {
  static constexpr auto publish = std::memory_order_release;  ///< Bytes written before are seen with `tail`…
  static constexpr auto publish_and_ask = std::memory_order_acq_rel;
  static constexpr auto observe = std::memory_order_acquire;  ///< …by whoever observes it.
  static constexpr auto free = std::memory_order_release;     ///< Bytes were read before `head` says so…
  static constexpr auto reuse = std::memory_order_acquire;    ///< …to whoever writes over them.
};

/// Thrown away with the peer that wrote them: indices that break invariant 2 come from a hostile or damaged peer.
[[noreturn]] void fail_corrupt_ring();

/// The producer's end. `data` is mapped twice in a row (os::MirroredMapping), so that free room is contiguous.
/// One thread at a time; does not own the memory.
template <class Orders>
class BasicRingWriter {
 public:
  BasicRingWriter(RingWords& words, std::byte* data, std::size_t capacity) noexcept
      : words_(&words),
        data_(data),
        capacity_(capacity),
        // relaxed: nobody else stores `tail`; after a fork this picks up where the creator stopped.
        tail_(count_of(words.tail.load(std::memory_order_relaxed))),
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
    words_->tail.store(tail_, Orders::publish);
    published_ = tail_;
  }
  /// Publishes, and returns whether the consumer wanted to be told.
  [[nodiscard]] bool publish_and_ask() noexcept {
    // SYNC POINT: ring bytes visible in RingReader::refresh
    const auto before = words_->tail.exchange(tail_, Orders::publish_and_ask);
    published_ = tail_;
    return (before & bell_wanted) != 0;
  }
  /// Bytes ever written by this or another process, published or not: where the next record begins.
  std::uint64_t position() const noexcept { return tail_; }
  /// Looks again at how far the producers have got: another process may have used this end since. Nothing may be unpublished.
  void resume() noexcept {
    // relaxed: whoever used this end before has told us so by some other way than this word.
    const auto tail = count_of(words_->tail.load(std::memory_order_relaxed));
    if (tail == tail_) return;
    tail_ = published_ = tail;
    head_seen_ = tail - capacity_;
  }
  /// Whether the consumer wants to be told of what is published next; it may begin to at any moment.
  bool bell_is_wanted() const noexcept { return (words_->tail.load(std::memory_order_relaxed) & bell_wanted) != 0; }
  /// How far the consumer has got, as far as it is known.
  std::uint64_t head_seen() const noexcept { return head_seen_; }
  void refresh() {
    // SYNC POINT: ring room reusable after RingReader::consume
    const auto head = words_->head.load(Orders::reuse);
    if (head > published_ || tail_ - head > capacity_) fail_corrupt_ring();
    head_seen_ = head;
  }

 private:
  RingWords* words_;
  std::byte* data_;
  std::size_t capacity_;
  std::uint64_t tail_;
  std::uint64_t published_;
  std::uint64_t head_seen_;
};

using RingWriter = BasicRingWriter<RingOrders>;

/// The consumer's end. One thread at a time; does not own the memory.
template <class Orders>
class BasicRingReader {
 public:
  BasicRingReader(RingWords& words, const std::byte* data, std::size_t capacity) noexcept
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
    words_->head.store(head_, Orders::free);
  }
  /// Bytes ever read: where the next record begins.
  std::uint64_t position() const noexcept { return head_; }
  /// Looks again at how far the consumers have got: another process may have used this end since.
  void resume() noexcept {
    // relaxed: whoever used this end before has told us so by some other way than this word.
    const auto head = words_->head.load(std::memory_order_relaxed);
    if (head != head_) head_ = tail_seen_ = head;
  }
  bool bell_is_wanted() const noexcept { return (words_->tail.load(std::memory_order_relaxed) & bell_wanted) != 0; }
  /// Has the producer told when more than what was seen last is there; false when it is already.
  [[nodiscard]] bool want_bell() noexcept {
    auto seen = tail_seen_;
    // relaxed on failure: the caller looks at the ring again.
    return words_->tail.compare_exchange_strong(seen, tail_seen_ | bell_wanted, std::memory_order_acq_rel, std::memory_order_relaxed);
  }

 private:
  void refresh() {
    // SYNC POINT: ring bytes visible in RingReader::refresh
    const auto tail = count_of(words_->tail.load(Orders::observe));
    if (tail < tail_seen_ || tail - head_ > capacity_) fail_corrupt_ring();
    tail_seen_ = tail;
  }

  RingWords* words_;
  const std::byte* data_;
  std::size_t capacity_;
  std::uint64_t head_;
  std::uint64_t tail_seen_;
};

using RingReader = BasicRingReader<RingOrders>;

}  // namespace ipc::transport
