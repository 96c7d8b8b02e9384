#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/os/memfd.hpp"
#include "ipc/sync/event_count.hpp"
#include "ipc/sync/lock.hpp"

namespace ipc::queues {

/// How often a process has taken an item out of a joinable queue, and how often it was said of such an item that it is done.
/// Both modulo 2^32. The difference, if positive, is what it has in hand.
struct Hand {
  std::atomic<std::uint32_t> taken;
  std::atomic<std::uint32_t> done;
};

/// Who has how many items of a joinable queue in hand, so that those of the dead are known, and nobody waits for them.
/// NOTE: shared structure; any thread of any process.
/// Invariants
/// 1. Hand `i` is a process's while that process holds byte `hands_byte + i` of the queue's file (os/held_byte.hpp). Hand 0 is
///    that of all those for whom none was left; it never dies.
/// 2. `Hand::taken` is stored under the queue's get_lock, `Hand::done` under `lock`; each store is a commit.
/// 3. Of a hand that is nobody's, what is in it is lost: whoever notices says that it is done.
/// 4. So many items as all hands together say are done.
/// 5. `pending` is 1, under get_lock, while the head passes an item and `taken` of the hand that takes it does not say so yet.
///
/// If a process is killed: taking items, `pending` tells the next one with get_lock to finish `taken` if the head has passed.
/// With items in hand, they are done as soon as somebody who joins looks, which is within 200 ms.
struct HandsWords {
  static constexpr std::size_t count = 128;

  HandsWords() : lock(false) {}

  /// Under the queue's get_lock: what a dead predecessor left. `items` is how many the head has passed.
  void settle(std::uint32_t items) noexcept;
  /// Under the queue's get_lock, around the store of the head: `n` items go into `hand`.
  void take(std::uint32_t hand, std::uint32_t items_before, std::uint32_t n) noexcept;
  void taken() noexcept;

  /// Says of one item that it is done, preferably of one that is in `hand`, if so many of `put` are not. Returns how many are
  /// left, or -1. What lay in the queue may have been thrown away: then only what is in a hand is not done.
  std::int64_t finish(std::uint32_t hand, std::uint32_t put, bool thrown_away);
  /// How many have been done.
  std::uint32_t done() const noexcept;
  /// Whether nobody has any in hand.
  bool all_empty() const noexcept;
  /// Invariant 3. `file` is the queue's.
  void bury(int file);

  sync::LockState lock;
  std::uint32_t pending_hand;
  std::uint32_t pending_items;  ///< What the head had passed before.
  std::uint32_t pending_taken;  ///< What `taken` will be.
  std::atomic<std::uint32_t> pending;
  sync::EventCount all_done;
  std::array<Hand, count> hands;
};
static_assert(sizeof(HandsWords) <= 1536 && std::is_standard_layout_v<HandsWords> && std::is_trivially_destructible_v<HandsWords>);

/// Under the queue's get_lock, settled: this process's hand in the queue whose file that is; its number stays until the process ends, or
/// `empty_handed` gives it back. A forked child has another one. Any thread.
std::uint32_t hand_in(HandsWords& words, os::FileId id, int file);
/// To be called when this process has no handle of the queue any more.
void empty_handed(const HandsWords& words, os::FileId id) noexcept;
/// Differs before and after a fork: what was found out about hands before is wrong in the child.
std::uint32_t hands_generation() noexcept;

}  // namespace ipc::queues
