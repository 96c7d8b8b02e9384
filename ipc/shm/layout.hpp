#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/os/robust_mutex.hpp"

namespace ipc::shm {

/// What lies in a segment: the bytes that several processes map. Offsets count from the segment's first byte.
/// NOTE: shared structures; processes of one build meet here, none of another.

/// What a block holds, so that bytes which claim to be a handle of one kind are not taken for another.
enum class Kind : std::uint32_t {
  none = 0,
  lock = 1,
  semaphore = 2,
  event = 3,
  condition = 4,
  barrier = 5,
  data = 6,
};

inline constexpr std::size_t cache_line = 64;

/// Who may hold blocks: every process that maps the segment takes a number, and so does every message that carries
/// handles of it. A number's holder is alive while byte `number` of the segment's file is locked (os/held_byte.hpp).
inline constexpr std::size_t holder_count = 768;
/// The last one belongs to all those for whom no number was left or no lock to be had. It never dies: what the crowd
/// holds is kept as long as the segment.
inline constexpr std::uint32_t crowd = holder_count - 1;

/// A set of holders.
using HolderWord = std::atomic<std::uint64_t>;
inline constexpr std::size_t holder_words = holder_count / 64;
inline constexpr std::size_t word_of(std::uint32_t holder) noexcept { return holder / 64; }
inline constexpr std::uint64_t bit_of(std::uint32_t holder) noexcept { return std::uint64_t{1} << (holder % 64); }

enum class BlockState : std::uint32_t { free = 0, used = 1 };

/// In front of every block of an arena. The payload follows, aligned to a cache line.
/// Invariants:
/// 1. Blocks lie one behind the other from `first_block` to `SegmentHeader::end`, each `size_of_class(size_class)` long.
/// 2. `state` is the truth; whether a block is in a free list is derived from it. Storing it commits.
/// 3. A used block has at least one holder; when the last one goes it becomes free, under the arena's mutex. (A block of
///    which a robust mutex is held by a living thread stays used without holders until that is over.)
/// 4. `holders` gains a bit only while the block is used and under the arena's mutex, or at fork, on behalf of a child,
///    while the parent's own bit is set and stays.
/// If a process is killed: before `state` is stored, nothing was allocated or freed; after it, the block is what it says,
/// the dead one's bit in `holders` is found with its lock gone, and the free lists are rebuilt by the next one in.
struct BlockHeader {
  std::atomic<BlockState> state;
  std::uint32_t size_class;
  std::uint32_t generation;  ///< Grows with every allocation, so that a stale reference is recognised.
  Kind kind;
  std::uint32_t mutex_count;  ///< The payload begins with this many `os::RobustMutex`es (or zeros) in steps of `mutex_stride`.
  std::uint32_t zeroed;       ///< Of a free block: 1 if its payload reads as zeros.
  std::uint64_t next_free;    ///< Derived. 0 ends the list.
  std::array<HolderWord, holder_words> holders;
};
inline constexpr std::size_t mutex_stride = 64;
inline constexpr std::size_t block_header_size = 128;
static_assert(sizeof(BlockHeader) == block_header_size && std::is_standard_layout_v<BlockHeader> &&
              std::is_trivially_destructible_v<BlockHeader>);
static_assert(HolderWord::is_always_lock_free && std::atomic<BlockState>::is_always_lock_free);

/// Block sizes, header included, in units of a cache line: every number up to 8, then four steps to each doubling, so that
/// at most a quarter is lost to rounding (and of large blocks only addresses: untouched pages do not exist).
inline constexpr std::uint32_t class_count = 72;
inline constexpr std::uint32_t class_of(std::size_t bytes) noexcept {
  const std::size_t units = (bytes + cache_line - 1) / cache_line;
  if (units <= 8) return static_cast<std::uint32_t>(units);
  const auto power = static_cast<std::uint32_t>(std::bit_width(units - 1) - 1);
  const std::size_t base = std::size_t{1} << power;
  const std::size_t step = base / 4;
  return 8 + (power - 3) * 4 + static_cast<std::uint32_t>((units - base + step - 1) / step);
}
inline constexpr std::size_t size_of_class(std::uint32_t size_class) noexcept {
  if (size_class <= 8) return size_class * cache_line;
  const std::uint32_t power = 3 + (size_class - 9) / 4;
  const std::size_t base = std::size_t{1} << power;
  return (base + ((size_class - 9) % 4 + 1) * (base / 4)) * cache_line;
}
static_assert(size_of_class(class_of(513)) == 640 && size_of_class(class_of(640)) == 640 && size_of_class(class_of(641)) == 768 &&
              size_of_class(class_of(1024)) == 1024 && size_of_class(class_of(1025)) == 1280);

enum class SegmentKind : std::uint32_t {
  arena = 1,   ///< Many blocks.
  single = 2,  ///< One object, too large for an arena or with a name: its life is the segment's, which the kernel counts.
};

/// What a handle of a single segment refers to: the object, or, of one that is made of several, a piece of it.
struct Part {
  std::uint64_t offset;
  std::uint64_t size;
  Kind kind;
  std::uint32_t mutex_count;  ///< As `BlockHeader::mutex_count`.
};
inline constexpr std::size_t most_parts = 2;

struct Holder {
  std::atomic<std::uint32_t> in_use;  ///< Storing it commits. 0 implies that no block has this holder's bit.
};

/// At offset 0. What is protected by the mutex is said; the rest is written once, before anybody else can map it.
/// If a process is killed: while it makes the segment, nobody has it and it is gone; holding the mutex, see `BlockHeader`.
struct SegmentHeader {
  std::uint64_t magic;
  std::uint64_t size;
  SegmentKind kind;
  std::uint32_t named;                 ///< Of a single segment: 1 if it was made under a name (names.hpp).
  std::array<Part, most_parts> parts;  ///< Of a single segment; the first lies at `single_offset`, unused ones are zero.
  std::uint64_t type_tag;              ///< Of a named segment.
  std::array<char, 128> type_name;     ///< Of a named segment, for messages: cut, and ended by a NUL.
  alignas(cache_line) os::RobustMutex mutex;
  std::atomic<std::uint64_t> end;                      ///< Mutex. Behind the last block. Storing it extends the arena by one free block.
  std::uint64_t sweep_at;                              ///< Mutex. When `end` would pass this, references of the dead are looked for first.
  std::uint32_t generation;                            ///< Mutex. The last one given.
  std::array<std::uint64_t, class_count> free_blocks;  ///< Mutex, derived. Offsets of the first free block by size class.
  std::array<Holder, holder_count> holders;            ///< Mutex.
};
inline constexpr std::uint64_t segment_magic = 0x3130616e65726131;  // "1arena01"
inline constexpr std::size_t single_offset = 4096;
inline constexpr std::size_t first_block = 8192;
static_assert(sizeof(SegmentHeader) <= first_block && std::is_standard_layout_v<SegmentHeader> &&
              std::is_trivially_destructible_v<SegmentHeader>);
static_assert(offsetof(SegmentHeader, mutex) < single_offset);

inline constexpr std::size_t arena_size = std::size_t{64} << 20;
/// Payloads above this get a segment, and with it a descriptor, of their own.
inline constexpr std::size_t largest_block = std::size_t{8} << 20;
static_assert(class_of(largest_block + block_header_size) < class_count);

}  // namespace ipc::shm
