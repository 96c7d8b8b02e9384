#include "ipc/shm/single.hpp"

namespace ipc::shm {

Single::Single(std::span<const Arena::Request> parts) noexcept {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    parts_[i] = {size_, parts[i].size, parts[i].kind, parts[i].mutex_count};
    size_ += (parts[i].size + cache_line - 1) / cache_line * cache_line;
  }
}

void Single::format(const os::Mapping& mapping) const noexcept {
  SegmentHeader& header = header_of(mapping);
  header.size = mapping.size();
  header.kind = SegmentKind::single;
  header.parts = parts_;
  header.magic = segment_magic;
}

bool is_single(const os::Mapping& mapping) noexcept {
  const SegmentHeader& header = header_of(mapping);
  if (header.magic != segment_magic || header.kind != SegmentKind::single || header.size != mapping.size()) return false;
  if (header.size <= single_offset || header.parts[0].offset != single_offset) return false;
  for (const Part& part : header.parts) {
    if (part.offset == 0) continue;
    if (part.offset < single_offset || part.offset % cache_line != 0 || part.offset > header.size) return false;
    if (part.size > header.size - part.offset || part.mutex_count > part.size / mutex_stride) return false;
  }
  return true;
}

const Part* part_at(const os::Mapping& mapping, std::uint64_t offset) noexcept {
  for (const Part& part : header_of(mapping).parts) {
    if (offset != 0 && part.offset == offset) return &part;
  }
  return nullptr;
}

}  // namespace ipc::shm
