#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/sync/event_count.hpp"
#include "ipc/transport/ring.hpp"

namespace ipc::transport {

/// One direction of a pipe: a ring, and how its two sides wait for each other. NOTE: wire structure.
///
/// Invariants
/// 1. Records stand in the ring one behind the other: a `MessageHeader`, the bytes, and padding to a multiple of 8.
/// 2. There is one doorbell. Either the consumer has asked for it and nothing came since (`bell_wanted` in `ring.tail`), or the
///    producer has rung it, or is about to: then one byte lies in the consumer's socket until the consumer asks again. So the
///    socket is readable whenever there is something to read, which is what `fileno` promises, and while both sides are awake
///    nobody touches it. `bells` counts what was asked for less what was taken out of the socket: while the doorbell is asked
///    for, `bells - 1` of them are stale.
/// 3. `promised` is where the record that was begun last ends, for records that go into the ring in more than one piece;
///    `owed` is the same for those that the consumer takes out in more than one, or that have descriptors.
/// 4. `announced` is where the last published piece ends, said before it was published: a producer who finds something else there
///    than where it stopped itself looks at `tail` again, as another process has used this end since, or died in the attempt.
///    SUBTLE: `tail` itself would tell as well, but its line is the consumer's while that waits, and to read a line before one writes
///    to it costs the way between the processors twice.
/// 5. Descriptors lie in the consumer's socket from before their message is published until it is received, in packets that say where
///    the message begins (PipePacket); then comes one doorbell more, as the consumer takes out what lies before them. So the socket
///    is readable also while a producer is between the two.
/// 6. A producer who needs room sleeps on `room`; `closings` counts how often somebody closed the consumer's end, so that
///    a producer asks the kernel whether the last of them is gone.
///
/// If a process is killed: the ring needs no repair (RingWords). A producer who dies before `promised` leaves a record cut
/// short, which nobody returns: the consumer waits for its rest until the end of file, and whoever inherited that end may not
/// send. A producer who dies between descriptors and their message leaves them in the socket: whoever receives the next message
/// of its heirs throws them away, and looks every now and then until that comes. A consumer who dies before `owed` has lost the
/// record in its hands, with its descriptors; its heir skips the rest. A producer who dies between taking `bell_wanted` and
/// ringing leaves `bells` one too high, which the consumer finds out when that bell does not come; if that end was the last one,
/// the socket tells its death. A producer asleep looks at least every 200 ms whether its consumer lives.
struct PipeDirection {
  RingWords ring;
  /// The producer's.
  struct alignas(cache_line) Producer {
    std::atomic<std::uint64_t> promised;
    std::atomic<std::uint64_t> announced;
    std::atomic<std::uint32_t> cpu;  ///< Where it rang the doorbell last, as `Crowding` says it. A hint.
  } producer;
  /// The consumer's.
  struct alignas(cache_line) Consumer {
    std::atomic<std::uint64_t> owed;
    std::atomic<std::uint32_t> bells;
    std::atomic<std::uint32_t> watched;  ///< Somebody has asked for `fileno`: the socket must be silent when the ring is empty.
  } consumer;
  /// Both look at these for each message; they change rarely.
  struct alignas(cache_line) Rare {
    sync::EventCount room;
    std::atomic<std::uint32_t> closings;
  } rare;
};

/// The first page of a pipe's memory. `directions[s]` is what side s sends; their bytes follow, `capacity` each.
struct PipeWords {
  static constexpr std::uint64_t this_magic = 0x69'70'63'2d'70'69'70'65;  // "ipc-pipe"

  std::array<PipeDirection, 2> directions;
  std::uint64_t magic;
};
static_assert(sizeof(PipeDirection) == 5 * cache_line && sizeof(PipeWords) <= 4096);
static_assert(std::is_standard_layout_v<PipeWords> && std::is_trivially_destructible_v<PipeWords>);

/// What stands before the bytes of a message, in one word. NOTE: wire structure.
///   bits 0-47   bytes in the message
///   bits 48-51  kind: 0 bytes, 1 a typed value
///   bits 52-63  descriptors, which were sent through the socket before the message was published
struct MessageHeader {
  static constexpr std::uint64_t max_size = (std::uint64_t{1} << 48) - 1;
  static constexpr std::size_t max_fds = (std::size_t{1} << 12) - 1;

  std::uint64_t word = 0;

  static constexpr MessageHeader pack(std::uint64_t size, unsigned kind, std::size_t fds) noexcept {
    return {size | std::uint64_t{kind} << 48 | static_cast<std::uint64_t>(fds) << 52};
  }
  constexpr std::uint64_t size() const noexcept { return word & max_size; }
  constexpr unsigned kind() const noexcept { return static_cast<unsigned>(word >> 48) & 0xf; }
  constexpr std::size_t fds() const noexcept { return static_cast<std::size_t>(word >> 52); }
  /// With header and padding.
  constexpr std::uint64_t total() const noexcept { return (size() + sizeof(MessageHeader) + 7) & ~std::uint64_t{7}; }
};
static_assert(sizeof(MessageHeader) == 8 && std::is_trivially_copyable_v<MessageHeader>);

/// Through the socket. NOTE: wire structure.
struct PipePacket {
  enum class Kind : std::uint64_t { doorbell = 'D', descriptors = 'F' };
  Kind kind = Kind::doorbell;
  std::uint64_t position = 0;  ///< Of descriptors: where in the stream their record begins.
};
static_assert(sizeof(PipePacket) == 16 && std::is_trivially_copyable_v<PipePacket>);

}  // namespace ipc::transport
