#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ipc/os/mapping.hpp"
#include "ipc/shm/arena.hpp"
#include "ipc/shm/layout.hpp"

namespace ipc::shm {

inline SegmentHeader& header_of(const os::Mapping& mapping) noexcept { return *reinterpret_cast<SegmentHeader*>(mapping.data()); }

/// How the parts of a single segment lie: the first at `single_offset`, each aligned to a cache line. A value.
class Single {
 public:
  explicit Single(std::span<const Arena::Request> parts) noexcept;
  /// Of the segment.
  std::size_t size() const noexcept { return size_; }
  const std::array<Part, most_parts>& parts() const noexcept { return parts_; }
  /// Writes the header into a fresh (all zero) segment.
  void format(const os::Mapping& mapping) const noexcept;

 private:
  std::array<Part, most_parts> parts_{};
  std::size_t size_ = single_offset;
};

/// Whether what somebody else mapped or sent is a single segment whose parts lie within it: read once, before anything in it
/// is used. At least a page is mapped.
bool is_single(const os::Mapping& mapping) noexcept;

/// The part that begins there; nullptr when none does.
const Part* part_at(const os::Mapping& mapping, std::uint64_t offset) noexcept;

}  // namespace ipc::shm
