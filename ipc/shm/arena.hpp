#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>

#include <ipc/fd.hpp>

#include "ipc/os/mapping.hpp"
#include "ipc/shm/layout.hpp"

namespace ipc::shm {

/// The algorithms on one mapped arena: allocation, reference keeping, and repair after deaths. A view; whoever made it
/// keeps mapping and descriptor alive. Any thread of any process: everything shared happens under the arena's mutex,
/// and whatever a killed process left half done is put right by the next one that takes it.
class Arena {
 public:
  Arena(const os::Mapping& mapping, int fd) noexcept : mapping_(&mapping), fd_(fd) {}

  /// Lays out a fresh (all zero) segment.
  void format();

  /// A zeroed block held by `holder`, or nullopt when the arena is full. `construct` runs on the payload before anybody
  /// else can reach it; if it throws, nothing was allocated.
  struct Request {
    Kind kind = Kind::none;
    std::size_t size = 0;
    std::uint32_t mutex_count = 0;
  };
  std::optional<std::uint64_t> allocate(const Request& request, std::uint32_t holder, const std::function<void(std::byte*)>& construct);

  /// Adds a holder to a block which a message or another process told us of; false when it is no block of this kind,
  /// size and generation (any more), however wrong the numbers are.
  struct Reference {
    std::uint64_t offset = 0;
    std::uint32_t generation = 0;
    Kind kind = Kind::none;
  };
  bool adopt(const Reference& reference, std::size_t least_size, std::uint32_t holder);
  /// Adds a holder to a block which the caller holds itself.
  void share(std::uint64_t offset, std::uint32_t holder) noexcept;
  /// Takes a holder away, and frees the block when it was the last one.
  void release(std::uint64_t offset, std::uint32_t holder);

  /// A holder's number and the descriptor that keeps it alive; no descriptor: `crowd`.
  std::pair<std::uint32_t, Fd> new_holder();
  /// Gives a number back which holds nothing any more.
  void retire_holder(std::uint32_t holder);

  /// Drops what dead holders held; returns how many blocks became free.
  std::size_t sweep();

  Reference reference_to(std::uint64_t offset) const noexcept;
  std::size_t payload_size(std::uint64_t offset) const noexcept;
  std::byte* payload(std::uint64_t offset) const noexcept { return mapping_->data() + offset + block_header_size; }

  /// For tests and statistics: how many blocks are used. Walks the arena.
  std::size_t used_blocks();
  /// For tests: throws `std::logic_error` when an invariant of layout.hpp does not hold.
  void check();

 private:
  SegmentHeader& header() const noexcept { return *reinterpret_cast<SegmentHeader*>(mapping_->data()); }
  BlockHeader& block(std::uint64_t offset) const noexcept { return *reinterpret_cast<BlockHeader*>(mapping_->data() + offset); }
  std::uint64_t end() const noexcept { return header().end.load(std::memory_order_relaxed); }  // Under the mutex.
  auto lock();
  void repair();
  std::uint64_t take_free(std::uint32_t size_class) noexcept;
  std::uint64_t extend(std::uint32_t size_class) noexcept;
  void zero(BlockHeader& free_block, std::uint64_t offset) noexcept;
  bool free_if_unheld(std::uint64_t offset);
  std::size_t sweep_locked();
  template <class Visit>
  void each_block(Visit visit) const;

  const os::Mapping* mapping_;
  int fd_;
};

}  // namespace ipc::shm
