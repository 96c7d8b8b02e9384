#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace ipc::pool {

/// The records between the pool and one worker, in RecordHeader::kind. NOTE: wire structure.
/// To the worker: `task` (sequence; payload: an encoded call) and `dismiss`.
/// From it: `ready` once (in `note`: since when, in nanoseconds on the monotonic clock), or `init_failed` (an exception) and
/// its end; then for each task it began, in order, `result` (an encoded value) or `error` (an exception) behind the time of
/// its start in nanoseconds, with the task's sequence and, in `note`, how many nanoseconds it ran; `full` when it has grown
/// too large.
enum class RecordKind : std::uint8_t { task = 1, dismiss = 2, ready = 3, init_failed = 4, result = 5, error = 6, full = 7 };

/// What a worker is told at birth, before the encoded initialiser. NOTE: wire structure.
struct Appointment {
  std::uint64_t id = 0;
  std::uint64_t max_rss = 0;  ///< In bytes; 0 is unlimited.
  std::uint64_t trace_throws = 0;
};
static_assert(sizeof(Appointment) == 24 && std::is_trivially_copyable_v<Appointment>);

/// Each ring. Larger records stream through it.
inline constexpr std::size_t ring_capacity = std::size_t{256} * 1024;

/// Who may begin which task: one word in the channel (`extra_word(claims_word)`), so that handing a task over and taking
/// it back cannot both succeed.
///
/// Bits 0-31:  `next`: the worker has begun every task below this sequence that it was not refused.
/// Bits 32-63: `revoked`: tasks in [next, revoked) were taken back; the worker passes them over.
///
/// If the worker is killed: a sequence below `next` without a result was running; all others never began.
class Claims {
 public:
  explicit Claims(std::atomic<std::uint64_t>& word) noexcept : word_(&word) {}

  /// Worker: may I begin `sequence`? From then on it counts as begun.
  bool claim(std::uint32_t sequence) noexcept {
    auto seen = word_->load(std::memory_order_acquire);
    for (;;) {
      if (before(sequence, revoked(seen))) return false;
      const std::uint32_t next = sequence + 1;
      // `revoked` is carried along, so that it stays within half the number range of `next`.
      const auto wanted = pack(next, before(revoked(seen), next) ? next : revoked(seen));
      if (word_->compare_exchange_weak(seen, wanted, std::memory_order_acq_rel, std::memory_order_acquire)) return true;
    }
  }
  /// Pool: takes back everything below `end` that has not begun; returns the first sequence that was taken back.
  std::uint32_t revoke(std::uint32_t end) noexcept {
    auto seen = word_->load(std::memory_order_acquire);
    for (;;) {
      if (word_->compare_exchange_weak(seen, pack(next(seen), end), std::memory_order_acq_rel, std::memory_order_acquire))
        return next(seen);
    }
  }
  /// Pool: has the worker begun `sequence`?
  bool begun(std::uint32_t sequence) const noexcept { return before(sequence, next(word_->load(std::memory_order_acquire))); }

  /// Sequences wrap; a window is far smaller than half their range.
  static constexpr bool before(std::uint32_t a, std::uint32_t b) noexcept { return static_cast<std::int32_t>(a - b) < 0; }

 private:
  static constexpr std::uint32_t next(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word); }
  static constexpr std::uint32_t revoked(std::uint64_t word) noexcept { return static_cast<std::uint32_t>(word >> 32); }
  static constexpr std::uint64_t pack(std::uint32_t next, std::uint32_t revoked) noexcept { return (std::uint64_t{revoked} << 32) | next; }

  std::atomic<std::uint64_t>* word_;
};
inline constexpr std::size_t claims_word = 0;

/// When the worker began what it began last: another word in the channel, nanoseconds on the monotonic clock, which is the
/// same in all processes. Written before the claim: whoever sees a task as begun sees its start, or that of a later task.
inline constexpr std::size_t start_word = 1;
inline std::uint64_t pack_time(std::chrono::steady_clock::time_point time) noexcept {
  return static_cast<std::uint64_t>(std::chrono::nanoseconds(time.time_since_epoch()).count());
}
inline std::chrono::steady_clock::time_point unpack_time(std::uint64_t time) noexcept {
  return std::chrono::steady_clock::time_point(std::chrono::nanoseconds(static_cast<std::int64_t>(time)));
}

}  // namespace ipc::pool
