#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/queue/depot.hpp"
#include "ipc/queue/hands.hpp"
#include "ipc/queue/wake_one.hpp"
#include "ipc/sync/event_count.hpp"
#include "ipc/sync/lock.hpp"

namespace ipc::queues {

/// What lies in a queue's memory: `QueueWords`, then from `ring_offset` on a ring of records.
/// NOTE: shared structures; processes of one build meet here, none of another.

/// Larger than the coherence unit of every processor this runs on, prefetched pairs included.
inline constexpr std::size_t line = 128;

/// Records are counted in units; a record takes whole ones.
inline constexpr std::size_t unit = 16;

/// A place in the endless row of records: how many items came before it, and how many units they took, both modulo 2^32.
/// One word, so that one store commits both, and what is in the queue is counted exactly at any instant.
struct Mark {
  std::uint32_t items = 0;
  std::uint32_t units = 0;

  static constexpr Mark of(std::uint64_t word) noexcept {
    return {static_cast<std::uint32_t>(word >> 32), static_cast<std::uint32_t>(word)};
  }
  constexpr std::uint64_t word() const noexcept { return std::uint64_t{items} << 32 | units; }
  constexpr Mark after(std::uint32_t record_units) const noexcept { return {items + 1, units + record_units}; }
  /// Behind so many records of one size.
  constexpr Mark after(std::uint32_t records, std::uint32_t record_units) const noexcept {
    return {items + records, units + records * record_units};
  }
  /// What lies between an earlier mark and this one.
  friend constexpr Mark operator-(Mark later, Mark earlier) noexcept { return {later.items - earlier.items, later.units - earlier.units}; }
  friend bool operator==(const Mark&, const Mark&) = default;
};

/// Before each item's bytes, unless all of the queue's items have one size: how many there are (bits 0-47), and how many descriptors of it
/// lie in the socket (bits 48-63). If there are any, 8 bytes with their packet's number follow.
class RecordHeader {
 public:
  RecordHeader() = default;
  RecordHeader(std::size_t size, std::size_t fds) noexcept : word_(std::uint64_t{fds} << 48 | size) {}
  std::size_t size() const noexcept { return word_ & ((std::uint64_t{1} << 48) - 1); }
  std::size_t fds() const noexcept { return word_ >> 48; }

 private:
  std::uint64_t word_ = 0;
};
static_assert(sizeof(RecordHeader) == 8 && std::is_trivially_copyable_v<RecordHeader>);

inline constexpr std::size_t first_capacity = std::size_t{256} << 10;
/// A capacity that is kept when the queue is empty: growing again and again for a few large items would cost more than it saves.
inline constexpr std::size_t kept_capacity = std::size_t{4} << 20;
/// A ring that grew again soon after it was made smaller is made smaller less and less readily, down to every so many-th time.
inline constexpr std::uint32_t most_tolerated = 1023;
inline constexpr std::size_t largest_capacity = std::size_t{32} << 30;
static_assert(largest_capacity / unit == std::uint64_t{1} << 31);  // Marks tell full from empty.

enum class Flavour : std::uint32_t { queue = 1, simple = 2, joinable = 3 };
enum class Down : std::uint32_t { no = 0, drains = 1, at_once = 2 };

/// At offset 0.
/// Invariants
/// 1. The records [head, tail) are complete: each a header and an item's bytes, or, with an `item_size`, these alone. `tail` is stored
/// under `put_lock`, `head` under `get_lock`.
/// 2. The unit at mark `m` lies at `m.units` modulo `capacity` (a power of two); head to tail is never more than that.
/// 3. `capacity` is stored under both locks; `put_lock` is taken first, and whoever has `get_lock` only tries the other.
/// 4. `head_seen` is an earlier `head`, `tail_seen` an earlier `tail`: who has the one lock need not touch the other's line.
/// 5. There is memory behind the ring's bytes below `reserved`; there may be some behind those below `touched`.
/// 6. `down` only grows. It is stored under `put_lock`: once it is not `no`, `tail` stays.
/// 7. `watched` only grows, under `put_lock`. Once it is 1, the bell is rung before `tail` is stored, and muted under
///    `put_lock`, with the queue empty. While `rung` is 1, it rings for all who watch. (With a name, each of them has a bell of its
///    own, which nobody else can mute: it may ring for nothing until it is looked at.)
/// 8. Of a joinable queue, `tail.items - hands.done()` items are not done yet.
///
/// If a process is killed: holding `put_lock`, what it wrote behind `tail` was never there, and a packet of descriptors that
/// belongs to no record is dropped by the next one to come after it. Holding `get_lock`, what it had not committed is still
/// there. Growing or shrinking copies into room that nothing lies in, before `capacity` is stored: the old capacity holds,
/// or the new one. There is nothing to repair. Between a commit and its wake: sleepers look again within 200 ms.
struct QueueWords {
  std::uint64_t magic;
  std::uint64_t type_tag;
  std::uint64_t item_size;   ///< Of each item; 0 where each has its own, and a header that says so.
  std::uint64_t most_items;  ///< At least 1.
  Flavour flavour;
  std::uint32_t named;        ///< 1: can be opened by a name. No bell and no socket can: see Core::watch and `depot`.
  std::uint32_t carries_fds;  ///< 1: its items may have descriptors.

  alignas(line) sync::LockState put_lock;
  std::uint64_t head_seen;  ///< Under put_lock, as the next three.
  std::uint64_t packets;    ///< The number of the last packet of descriptors that was sent.
  std::uint64_t reserved;
  alignas(line) std::atomic<std::uint64_t> tail;

  alignas(line) sync::LockState get_lock;
  std::atomic<std::uint64_t> tail_seen;  ///< Stored under get_lock; others take it as a hint.
  std::uint32_t shrunk_at;  ///< Under get_lock, as the next three. Units that the head had passed when the ring was last made smaller…
  std::uint32_t low_at;     ///< …and when it was last found that it could be.
  std::uint32_t low_seen;   ///< How often that was found since then…
  std::uint32_t low_tolerated;  ///< …and how often it is put up with before it is done.
  alignas(line) std::atomic<std::uint64_t> head;

  alignas(line) WakeOne not_empty;
  WakeOne not_full;
  std::atomic<std::uint64_t> capacity;
  std::atomic<std::uint64_t> touched;  ///< Under both locks.
  std::atomic<Down> down;
  std::atomic<std::uint32_t> watched;
  std::atomic<std::uint32_t> rung;
  std::atomic<std::uint32_t> unloaded;  ///< Counts packets of descriptors that were dropped: then there may be room for another.
  sync::EventCount freight_room;

  alignas(line) HandsWords hands;  ///< Of a joinable queue.
  DepotWords depot;                ///< Of one with a name whose items may have descriptors.

  explicit QueueWords() : put_lock(false), get_lock(false) {}
};
inline constexpr std::uint64_t queue_magic = 0x3130657565757131;  // "1queue01"
inline constexpr std::size_t ring_offset = 4096;
static_assert(sizeof(QueueWords) <= ring_offset && std::is_standard_layout_v<QueueWords> && std::is_trivially_destructible_v<QueueWords>);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

}  // namespace ipc::queues
