#include "ipc/queue/hands.hpp"

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include <ipc/fd.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/at_fork.hpp"
#include "ipc/os/held_byte.hpp"
#include "ipc/queue/hold.hpp"

namespace ipc::queues {
namespace {

// Far behind the file's bytes, and in front of those by which shm/names.hpp holds it.
constexpr std::uint64_t hands_byte = std::uint64_t{1} << 61;

/// What is in it, or less than nothing: who says of more items that they are done than it took.
std::int32_t in(const Hand& hand) noexcept {
  // SYNC POINT "hand": acquire, with the releases in `taken` and `finish`.
  return static_cast<std::int32_t>(hand.taken.load(std::memory_order_acquire) - hand.done.load(std::memory_order_acquire));
}

/// This process's hands. Never destroyed, as they are its to its end.
struct Own {
  struct Entry {
    std::uint32_t number = 0;
    Fd life;
  };
  std::mutex mutex;  ///< Held over fork: no child inherits what keeps a hand alive without knowing it.
  std::map<os::FileId, Entry> entries;
  std::atomic<std::uint32_t> generation{1};
};

Own& own() {
  static Own& all = *new Own();
  static const bool registered = [] {
    os::at_fork([] { own().mutex.lock(); }, [] { own().mutex.unlock(); },
                [] {
                  own().entries.clear();  // The parent's.
                  own().generation.fetch_add(1, std::memory_order_relaxed);
                  own().mutex.unlock();
                });
    return true;
  }();
  static_cast<void>(registered);
  return all;
}

}  // namespace

void HandsWords::settle(std::uint32_t items) noexcept {
  if (pending.load(std::memory_order_relaxed) == 0) return;
  if (items != pending_items) hands[pending_hand % count].taken.store(pending_taken, std::memory_order_release);
  pending.store(0, std::memory_order_release);
}

void HandsWords::take(std::uint32_t hand, std::uint32_t items_before, std::uint32_t n) noexcept {
  pending_hand = hand;
  pending_items = items_before;
  pending_taken = hands[hand].taken.load(std::memory_order_relaxed) + n;  // Relaxed: under get_lock.
  // Release: so that whoever is killed after this store has made those above.
  pending.store(1, std::memory_order_release);
}

void HandsWords::taken() noexcept {
  IPC_KILL_POINT("queue.hand.before_taken");
  hands[pending_hand].taken.store(pending_taken, std::memory_order_release);
  IPC_KILL_POINT("queue.hand.taken");
  pending.store(0, std::memory_order_release);
}

std::uint32_t HandsWords::done() const noexcept {
  std::uint32_t sum = 0;
  for (const Hand& hand : hands) sum += hand.done.load(std::memory_order_acquire);
  return sum;
}

bool HandsWords::all_empty() const noexcept {
  return std::none_of(hands.begin(), hands.end(), [](const Hand& hand) { return in(hand) > 0; });
}

std::int64_t HandsWords::finish(std::uint32_t hand, std::uint32_t put, bool thrown_away) {
  const Hold hold(lock);
  const auto left = static_cast<std::int32_t>(put - done());
  if (left <= 0 || (thrown_away && all_empty())) return -1;
  Hand* from = &hands[hand];
  if (in(*from) <= 0) {
    // Whoever took it has given it to this process to finish, or it has not been taken at all.
    const auto other = std::find_if(hands.begin(), hands.end(), [](const Hand& one) { return in(one) > 0; });
    if (other != hands.end()) from = &*other;
  }
  from->done.store(from->done.load(std::memory_order_relaxed) + 1, std::memory_order_release);
  return left - 1;
}

void HandsWords::bury(int file) {
  const Hold hold(lock);
  for (std::uint32_t i = 1; i < count; ++i) {
    if (in(hands[i]) <= 0 || os::is_byte_held(file, hands_byte + i)) continue;
    IPC_KILL_POINT("queue.hand.before_burial");
    hands[i].done.store(hands[i].taken.load(std::memory_order_acquire), std::memory_order_release);
  }
}

std::uint32_t hand_in(HandsWords& words, os::FileId id, int file) {
  Own& all = own();
  const std::lock_guard guard(all.mutex);
  if (const auto known = all.entries.find(id); known != all.entries.end()) return known->second.number;
  Own::Entry entry;
  {
    // Nobody may take the items of a hand's late owner for its new one's.
    const Hold hold(words.lock);
    for (std::uint32_t i = 1; i < HandsWords::count; ++i) {
      if (os::is_byte_held(file, hands_byte + i)) continue;
      os::Hold life = os::hold_byte(file, hands_byte + i);
      if (life.result == os::HoldResult::unavailable) break;
      if (life.result == os::HoldResult::taken) continue;
      Hand& hand = words.hands[i];
      if (in(hand) > 0) hand.done.store(hand.taken.load(std::memory_order_acquire), std::memory_order_release);
      entry = {i, std::move(life.fd)};
      break;
    }
  }
  const std::uint32_t number = entry.number;
  all.entries.emplace(id, std::move(entry));
  return number;
}

void empty_handed(const HandsWords& words, os::FileId id) noexcept {
  Own& all = own();
  const std::lock_guard guard(all.mutex);
  const auto known = all.entries.find(id);
  // What it has in hand it may finish through another handle.
  if (known != all.entries.end() && in(words.hands[known->second.number]) <= 0) all.entries.erase(known);
}

std::uint32_t hands_generation() noexcept { return own().generation.load(std::memory_order_relaxed); }

}  // namespace ipc::queues
