#include "ipc/shm/arena.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/held_byte.hpp"

namespace ipc::shm {
namespace {

/// Below this, writing zeros is cheaper than asking the kernel for fresh pages.
constexpr std::size_t punch_from = 64 * 1024;
constexpr std::size_t page = 4096;
constexpr std::size_t sweep_step = std::size_t{1} << 20;

os::RobustMutex& mutex_in(std::byte* payload, std::uint32_t index) noexcept {
  return *reinterpret_cast<os::RobustMutex*>(payload + index * mutex_stride);
}

}  // namespace

auto Arena::lock() {
  return os::RobustGuard(header().mutex, [this] { repair(); });
}

template <class Visit>
void Arena::each_block(Visit visit) const {
  for (std::uint64_t offset = first_block; offset < end();) {
    BlockHeader& at = block(offset);
    const std::uint64_t next = offset + size_of_class(at.size_class);
    visit(at, offset);
    offset = next;
  }
}

void Arena::format() {
  SegmentHeader& head = *new (mapping_->data()) SegmentHeader();
  head.size = mapping_->size();
  head.kind = SegmentKind::arena;
  head.end.store(first_block, std::memory_order_relaxed);  // Nobody else can see the segment yet.
  head.sweep_at = first_block + sweep_step;
  head.holders[crowd].in_use.store(1, std::memory_order_relaxed);
  head.magic = segment_magic;
}

void Arena::repair() {
  SegmentHeader& head = header();
  head.free_blocks.fill(0);
  each_block([&](BlockHeader& at, std::uint64_t offset) {
    if (at.state.load(std::memory_order_relaxed) == BlockState::used) {  // Relaxed: under the mutex.
      free_if_unheld(offset);  // The dead one may have taken the last holder away and come no further.
      return;
    }
    at.zeroed = 0;
    at.next_free = std::exchange(head.free_blocks[at.size_class], offset);
  });
}

std::uint64_t Arena::take_free(std::uint32_t size_class) noexcept {
  std::uint64_t& first = header().free_blocks[size_class];
  if (first == 0) return 0;
  return std::exchange(first, block(first).next_free);
}

std::uint64_t Arena::extend(std::uint32_t size_class) noexcept {
  SegmentHeader& head = header();
  const std::uint64_t size = size_of_class(size_class);
  const std::uint64_t offset = end();
  if (head.size - offset < size) return 0;
  BlockHeader& fresh = *new (mapping_->data() + offset) BlockHeader();  // `free`, without holders.
  fresh.size_class = size_class;
  fresh.zeroed = 1;  // Nobody has been here: a file's pages begin as zeros.
  IPC_KILL_POINT("arena.header_written");
  // Release, as every commit here: it pairs with the death of this process, whose successor in the mutex must find the
  // header complete behind the new end.
  head.end.store(offset + size, std::memory_order_release);
  IPC_KILL_POINT("arena.extended");
  return offset;
}

void Arena::zero(BlockHeader& free_block, std::uint64_t offset) noexcept {
  if (free_block.zeroed == 0) std::memset(payload(offset), 0, payload_size(offset));
}

std::optional<std::uint64_t> Arena::allocate(const Request& request, std::uint32_t holder,
                                             const std::function<void(std::byte*)>& construct) {
  const std::uint32_t size_class = class_of(request.size + block_header_size);
  const auto guard = lock();
  SegmentHeader& head = header();
  std::uint64_t offset = take_free(size_class);
  if (offset == 0 && end() + size_of_class(size_class) > std::min(head.sweep_at, head.size)) {
    sweep_locked();
    // The cost of a sweep is proportional to the arena: doubling the distance makes it constant for each allocation.
    head.sweep_at = end() + std::max<std::uint64_t>(sweep_step, end());
    offset = take_free(size_class);
  }
  if (offset == 0) offset = extend(size_class);
  if (offset == 0) return std::nullopt;

  BlockHeader& fresh = block(offset);
  try {
    zero(fresh, offset);
    fresh.zeroed = 0;
    construct(payload(offset));
  } catch (...) {
    fresh.next_free = std::exchange(head.free_blocks[size_class], offset);
    throw;
  }
  fresh.generation = ++head.generation;
  fresh.kind = request.kind;
  fresh.mutex_count = request.mutex_count;
  for (HolderWord& word : fresh.holders) word.store(0, std::memory_order_relaxed);  // Relaxed: under the mutex.
  fresh.holders[word_of(holder)].store(bit_of(holder), std::memory_order_relaxed);
  IPC_KILL_POINT("arena.prepared");
  fresh.state.store(BlockState::used, std::memory_order_release);
  IPC_KILL_POINT("arena.committed");
  return offset;
}

bool Arena::adopt(const Reference& reference, std::size_t least_size, std::uint32_t holder) {
  const auto guard = lock();
  // The numbers came in a message: nothing is touched before it is known to be a block.
  if (reference.offset < first_block || reference.offset % cache_line != 0 || reference.offset >= end()) return false;
  BlockHeader& at = block(reference.offset);
  if (at.state.load(std::memory_order_relaxed) != BlockState::used) return false;
  if (at.generation != reference.generation || at.kind != reference.kind) return false;
  if (at.size_class >= class_count || payload_size(reference.offset) < least_size) return false;
  share(reference.offset, holder);
  return true;
}

void Arena::share(std::uint64_t offset, std::uint32_t holder) noexcept {
  // Relaxed: read only under the mutex, which the reader takes after whoever called this has let go of it or of its own bit.
  block(offset).holders[word_of(holder)].fetch_or(bit_of(holder), std::memory_order_relaxed);
}

bool Arena::free_if_unheld(std::uint64_t offset) {
  BlockHeader& at = block(offset);
  for (const HolderWord& word : at.holders) {
    if (word.load(std::memory_order_relaxed) != 0) return false;
  }
  // SUBTLE: a thread that holds a robust mutex has it in a list that runs through this memory. While somebody alive does
  // (who threw his handle away while he held the lock), the block stays; a later sweep finds it again.
  for (std::uint32_t i = 0; i < at.mutex_count; ++i) {
    if (!mutex_in(payload(offset), i).looks_free()) return false;  // The dead are no holders: that is free, too.
  }
  SegmentHeader& head = header();
  at.mutex_count = 0;
  at.zeroed = 0;
  at.state.store(BlockState::free, std::memory_order_release);  // The commit, as in `allocate`.
  IPC_KILL_POINT("arena.freed");
  const std::size_t size = size_of_class(at.size_class);
  if (size >= punch_from) {
    // Whole pages go back to the kernel; what is left of the payload at both ends is written.
    const std::size_t begin = (offset + block_header_size + page - 1) / page * page;
    const std::size_t end = (offset + size) / page * page;
    if (mapping_->punch(begin, end - begin)) {
      std::memset(payload(offset), 0, begin - offset - block_header_size);
      std::memset(mapping_->data() + end, 0, offset + size - end);
      at.zeroed = 1;
    }
  }
  at.next_free = std::exchange(head.free_blocks[at.size_class], offset);
  return true;
}

void Arena::release(std::uint64_t offset, std::uint32_t holder) {
  const auto guard = lock();
  block(offset).holders[word_of(holder)].fetch_and(~bit_of(holder), std::memory_order_relaxed);
  IPC_KILL_POINT("arena.released");
  free_if_unheld(offset);
}

std::pair<std::uint32_t, Fd> Arena::new_holder() {
  const auto guard = lock();
  for (const bool swept : {false, true}) {
    if (swept) sweep_locked();
    for (std::uint32_t number = 0; number < crowd; ++number) {
      Holder& holder = header().holders[number];
      if (holder.in_use.load(std::memory_order_relaxed) != 0) continue;
      os::Hold hold = os::hold_byte(fd_, number);
      if (hold.result == os::HoldResult::unavailable) return {crowd, Fd()};
      if (hold.result == os::HoldResult::taken) continue;
      IPC_KILL_POINT("arena.byte_held");
      holder.in_use.store(1, std::memory_order_relaxed);  // Under the mutex.
      return {number, std::move(hold.fd)};
    }
  }
  return {crowd, Fd()};
}

void Arena::retire_holder(std::uint32_t holder) {
  if (holder == crowd) return;
  const auto guard = lock();
  header().holders[holder].in_use.store(0, std::memory_order_release);
}

std::size_t Arena::sweep() {
  const auto guard = lock();
  return sweep_locked();
}

std::size_t Arena::sweep_locked() {
  std::array<std::uint64_t, holder_words> living{};
  std::array<std::uint64_t, holder_words> dead{};
  for (std::uint32_t number = 0; number < holder_count; ++number) {
    if (header().holders[number].in_use.load(std::memory_order_relaxed) == 0) continue;
    const bool alive = number == crowd || os::is_byte_held(fd_, number);
    (alive ? living : dead)[word_of(number)] |= bit_of(number);
  }
  std::size_t freed = 0;
  each_block([&](BlockHeader& at, std::uint64_t offset) {
    if (at.state.load(std::memory_order_relaxed) != BlockState::used) return;
    for (std::size_t i = 0; i < holder_words; ++i) {
      const std::uint64_t held = at.holders[i].load(std::memory_order_relaxed);
      if ((held & ~living[i]) != 0) at.holders[i].fetch_and(living[i], std::memory_order_relaxed);
    }
    if (free_if_unheld(offset)) ++freed;
  });
  IPC_KILL_POINT("arena.swept");
  // Only now, when no block names them any more, may the numbers be given again.
  for (std::uint32_t number = 0; number < crowd; ++number) {
    if ((dead[word_of(number)] & bit_of(number)) != 0) header().holders[number].in_use.store(0, std::memory_order_release);
  }
  return freed;
}

Arena::Reference Arena::reference_to(std::uint64_t offset) const noexcept {
  const BlockHeader& at = block(offset);
  return {offset, at.generation, at.kind};
}

std::size_t Arena::payload_size(std::uint64_t offset) const noexcept { return size_of_class(block(offset).size_class) - block_header_size; }

std::size_t Arena::used_blocks() {
  const auto guard = lock();
  std::size_t count = 0;
  each_block([&](BlockHeader& at, std::uint64_t) { count += at.state.load(std::memory_order_relaxed) == BlockState::used ? 1 : 0; });
  return count;
}

void Arena::check() {
  const auto guard = lock();
  const auto require = [](bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
  };
  const SegmentHeader& head = header();
  require(head.magic == segment_magic && head.size == mapping_->size(), "the header is damaged");
  std::size_t unlisted = 0;
  each_block([&](BlockHeader& at, std::uint64_t) {
    require(at.size_class > 0 && at.size_class < class_count, "a block has no size class");
    bool held = false;
    for (std::size_t i = 0; i < holder_words; ++i) held = held || at.holders[i].load(std::memory_order_relaxed) != 0;
    const bool used = at.state.load(std::memory_order_relaxed) == BlockState::used;
    require(!used || held || at.mutex_count != 0, "a used block has no holder");
    if (!used) ++unlisted;
  });
  for (std::uint32_t size_class = 0; size_class < class_count; ++size_class) {
    for (std::uint64_t offset = head.free_blocks[size_class]; offset != 0; offset = block(offset).next_free) {
      require(block(offset).state.load(std::memory_order_relaxed) == BlockState::free, "a used block is in a free list");
      require(block(offset).size_class == size_class, "a block is in the wrong free list");
      require(unlisted-- != 0, "a block is in a free list twice");
    }
  }
  require(unlisted == 0, "a free block is in no free list");
}

}  // namespace ipc::shm
