#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

#include "ipc/os/mirrored_mapping.hpp"
#include "ipc/transport/ring.hpp"

namespace ipc::transport {

/// The shared word of a bulk. NOTE: wire structure.
///
/// Invariants
/// 1. `freed` counts the bytes of bulk that the reader has done with; only the reader stores it, and it never goes back.
/// 2. freed <= what the writer ever took <= freed + the capacity of the memory that is in use.
/// 3. A BulkRef that is visible in the ring names bytes that were written before, and that stay until `freed` has passed them.
///
/// If a process is killed: bytes whose BulkRef was not published were never there; nothing needs repair.
struct BulkWords {
  alignas(cache_line) std::atomic<std::uint64_t> freed;
};
static_assert(sizeof(BulkWords) == cache_line && std::is_standard_layout_v<BulkWords> && std::is_trivially_destructible_v<BulkWords>);

/// What stands in the ring for a payload in bulk. NOTE: wire structure.
struct BulkRef {
  std::uint64_t end = 0;       ///< Its last byte lies before this position; positions only grow, modulo the capacity.
  std::uint64_t size = 0;      ///< In bytes.
  std::uint64_t capacity = 0;  ///< Not 0: from here on it is other memory, so large, whose descriptor comes with the record.
};
static_assert(sizeof(BulkRef) == 24 && std::is_trivially_copyable_v<BulkRef>);

/// Memory beside a ring, for payloads that are too large to lie in it: encoded where the reader reads them. There is none
/// before it is needed; then one memfd, replaced by a larger one when payloads grow. What does not fit into `most_bulk` goes
/// through the ring in parts. One thread at a time.
class BulkWriter final : public detail::LargerRoom {
 public:
  explicit BulkWriter(BulkWords& words) noexcept : words_(&words) {}

  /// Where `wanted` bytes or more can be written, or nothing. Not taken before `take`.
  std::span<std::byte> larger_room(std::size_t wanted) override;
  /// Whether these bytes lie in the room that was given out.
  bool owns(const std::byte* bytes) const noexcept;
  /// The first `size` bytes of the room are written. A descriptor to be sent along is put before the others.
  BulkRef take(std::size_t size, std::vector<Fd>& fds);

 private:
  std::size_t free_bytes() const noexcept;

  BulkWords* words_;
  os::MirroredMapping memory_;
  os::MirroredMapping outgrown_;
  Fd unannounced_;
  std::uint64_t taken_ = 0;
};

/// The other end. One thread at a time.
class BulkReader {
 public:
  explicit BulkReader(BulkWords& words) noexcept : words_(&words) {}

  /// The payload. Throws `EncodingError` for a reference that is impossible.
  std::span<const std::byte> open(const BulkRef& ref, std::vector<Fd>& fds);
  /// Done with the payload that was opened last, if there is one.
  void release() noexcept;

 private:
  BulkWords* words_;
  os::MirroredMapping memory_;
  std::uint64_t opened_ = 0;
  std::uint64_t freed_ = 0;
};

inline constexpr std::size_t most_bulk = std::size_t{16} << 20;

}  // namespace ipc::transport
