#include "ipc/transport/bulk.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/memfd.hpp"

namespace ipc::transport {
namespace {

constexpr std::size_t least_bulk = std::size_t{1} << 20;
// Less than this is worth waiting for room in the ring.
constexpr std::size_t least_payload = std::size_t{32} << 10;

// So that payloads do not share cache lines.
constexpr std::uint64_t rounded(std::uint64_t size) noexcept { return (size + cache_line - 1) & ~std::uint64_t{cache_line - 1}; }

}  // namespace

std::size_t BulkWriter::free_bytes() const noexcept {
  // SYNC POINT: bulk reusable after BulkReader::release
  const auto used = taken_ - words_->freed.load(std::memory_order_acquire);
  return used > memory_.size() ? 0 : memory_.size() - static_cast<std::size_t>(used);
}

std::span<std::byte> BulkWriter::larger_room(std::size_t wanted) {
  if (wanted < least_payload || 2 * rounded(wanted) > most_bulk) return {};
  // Room for three: a task that runs, one that waits, and what is being written. More would only be colder memory.
  const std::size_t capacity = std::clamp(std::bit_ceil(3 * wanted), least_bulk, most_bulk);
  if (memory_.size() < 2 * rounded(wanted)) {
    Fd fd = os::make_memfd("ipc-bulk", capacity);
    // SUBTLE: the writer may still have to copy from there what it has written so far.
    outgrown_ = std::exchange(memory_, os::MirroredMapping(fd.get(), capacity, 0));
    unannounced_ = std::move(fd);
    // SUBTLE: what lies in the memory before this counts as used until it is freed. That only errs to the safe side.
  }
  const std::size_t free = free_bytes();
  if (free < rounded(wanted)) return {};
  return {memory_.data() + (taken_ & (memory_.size() - 1)), free};
}

bool BulkWriter::owns(const std::byte* bytes) const noexcept {
  return memory_.size() != 0 && bytes == memory_.data() + (taken_ & (memory_.size() - 1));
}

BulkRef BulkWriter::take(std::size_t size, std::vector<Fd>& fds) {
  outgrown_ = os::MirroredMapping();
  taken_ += rounded(size);
  BulkRef ref{taken_, size, 0};
  if (unannounced_) {
    ref.capacity = memory_.size();
    fds.insert(fds.begin(), std::move(unannounced_));
  }
  return ref;
}

std::span<const std::byte> BulkReader::open(const BulkRef& ref, std::vector<Fd>& fds) {
  if (ref.capacity != 0) {
    if (fds.empty() || !std::has_single_bit(ref.capacity) || ref.capacity < least_bulk || ref.capacity > most_bulk ||
        !os::cannot_shrink(fds.front().get()) || os::file_facts(fds.front().get()).size != ref.capacity)
      fail_corrupt_ring();
    memory_ = os::MirroredMapping(fds.front().get(), static_cast<std::size_t>(ref.capacity), 0);
    fds.erase(fds.begin());
  }
  const std::uint64_t length = rounded(ref.size);
  if (ref.size > memory_.size() || length > memory_.size() || ref.end < length || ref.end - length < opened_) fail_corrupt_ring();
  opened_ = ref.end;
  return {memory_.data() + ((ref.end - length) & (memory_.size() - 1)), static_cast<std::size_t>(ref.size)};
}

void BulkReader::release() noexcept {
  if (freed_ == opened_) return;
  freed_ = opened_;
  // SYNC POINT: bulk reusable after BulkReader::release
  words_->freed.store(freed_, std::memory_order_release);
}

}  // namespace ipc::transport
