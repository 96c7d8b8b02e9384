#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/message.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/os/mapping.hpp"
#include "ipc/os/mirrored_mapping.hpp"
#include "ipc/transport/bulk.hpp"
#include "ipc/transport/ring.hpp"

namespace ipc::transport {

/// What stands before each record in a ring. NOTE: wire structure. `kind`, `sequence` and `note` belong to the protocol
/// above; a record takes its size and this header, rounded up to 8 bytes.
struct RecordHeader {
  std::uint64_t size = 0;  ///< Bytes of the payload.
  std::uint64_t note = 0;
  std::uint32_t sequence = 0;
  std::uint16_t fds = 0;  ///< Descriptors that were sent through the socket before this record was published.
  std::uint8_t kind = 0;
  std::uint8_t in_bulk = 0;  ///< 1: the payload in the ring is a BulkRef to where the real one lies.
};
static_assert(sizeof(RecordHeader) == 24 && std::is_trivially_copyable_v<RecordHeader>);

/// What is said of a record when it is committed; the channel adds the rest of its header. SUBTLE: it travels in registers. A header
/// put together in memory and copied from there as a whole would have to wait for all stores before it to arrive, and those
/// into the ring take as long as the other side needs to let go of their lines.
struct RecordLabel {
  std::uint64_t note = 0;
  std::uint32_t sequence = 0;
  std::uint8_t kind = 0;
  std::uint8_t in_bulk = 0;
};
static_assert(sizeof(RecordLabel) == 16 && std::is_trivially_copyable_v<RecordLabel>);

/// What a sleeping side wants to be woken for; bits of `ChannelWords::wants`.
enum class Wake : std::uint32_t { nothing = 0, data = 1, room = 2 };
constexpr Wake operator|(Wake a, Wake b) noexcept {
  return static_cast<Wake>(static_cast<std::uint32_t>(a) | static_cast<std::uint32_t>(b));
}

/// The first page of a channel's memory. NOTE: wire structure.
///
/// Invariants
/// 1. `rings[s]` carries what side s sends.
/// 2. `wants[s]` is non-zero only while side s sleeps or is about to look once more before it does; whoever makes true what
///    it wants sets it to zero and sends one byte through the socket.
///
/// If a process is killed: the rings need no repair (RingWords). A `wants` that a dead side left behind costs its peer one
/// failed send. The socket reports the death to a peer that sleeps.
struct ChannelWords {
  std::array<RingWords, 2> rings;
  struct alignas(cache_line) Wants {
    std::atomic<std::uint32_t> wake;
    std::atomic<std::uint32_t> cpu;  ///< Where it published last, as `Crowding` says it. A hint.
  };
  std::array<Wants, 2> wants;
  /// Zero at first; for the protocol above.
  struct alignas(cache_line) Extra {
    std::atomic<std::uint64_t> word;
  };
  std::array<Extra, 2> extra;
  /// Of side s: for what is too large to lie in its ring.
  std::array<BulkWords, 2> bulk;
};
static_assert(sizeof(ChannelWords) <= 4096 && std::is_standard_layout_v<ChannelWords> && std::is_trivially_destructible_v<ChannelWords>);

/// One record as it was received. The payload lies in the ring, in bulk beside it, or in the channel's buffer where it was
/// larger than either, until `Channel::release`.
struct Record {
  RecordHeader header;
  std::span<const std::byte> payload;
  std::vector<Fd> fds;
};

/// One end of a two-way stream of records between two processes: a byte ring each way in one memfd, bulk memory beside it
/// once a record is too large to lie in there, and a packet socket that carries a byte when the other side sleeps, the
/// descriptors, and the news of a death.
/// Only `wait` and `flush` block. One thread at a time may write, and one at a time read.
class Channel {
 public:
  /// What the peer needs for its end; close-on-exec descriptors.
  struct Seed {
    Fd memory;
    Fd socket;
  };
  /// A new channel: our end, and the seed of the other. `capacity` of each ring is a power of two of at least a page.
  static std::pair<Channel, Seed> create(std::size_t capacity);
  /// The peer's end. Throws `EncodingError` when the memory is not a channel's.
  explicit Channel(Seed seed) : Channel(std::move(seed), Side{1}) {}
  Channel(Channel&&) = default;
  Channel& operator=(Channel&&) = default;

  // --- writing -------------------------------------------------------------------------------------------------------
  /// Memory for the payload of the next record, inside the ring; empty when it has to go through the outbox.
  std::span<std::byte> payload_room();
  /// Room beside the ring, for payloads that grow out of that.
  detail::LargerRoom* bulk() noexcept { return &bulk_out_; }
  /// Ends the record begun by `payload_room`: `payload` was written into that memory, or into its own when it did not fit;
  /// then it waits in the outbox, which `pump` empties. Not visible before `publish`.
  void commit(RecordLabel label, detail::Writer& payload);
  /// Moves what it can from the outbox into the ring; true when the outbox is empty.
  bool pump();
  /// Whether `pump` could make progress.
  bool can_pump();
  bool outbox_empty() const noexcept { return outbox_.empty(); }
  /// Makes committed records visible and, where the peer sleeps for `events`, wakes it.
  void publish(Wake events = Wake::data);

  // --- reading -------------------------------------------------------------------------------------------------------
  /// The next record, if all of it is there (or, for one larger than the ring, as soon as it is).
  std::optional<Record> receive();
  /// The record that `receive` gave is done with.
  void release();
  /// Whether `receive` could make progress. Costs one load.
  bool has_data() { return incoming_.readable(stuck_at_ + 1).size() > stuck_at_; }

  // --- sleeping ------------------------------------------------------------------------------------------------------
  /// Says that this side is about to sleep. Look at `has_data` (and the room) once more afterwards, then poll `socket()`.
  void announce_sleep(Wake wanted) noexcept;
  void awake() noexcept;
  /// Empties the socket after poll said that it is readable: bytes are forgotten, descriptors kept for their records.
  void answer_doorbell();
  /// True once the socket has told that the other end is closed. Published records can still be received.
  bool peer_closed() const noexcept { return peer_closed_; }
  /// Returns when there may be more to do for `wanted` (`data`, `room`) or the peer has gone, and false at the deadline.
  bool wait(Wake wanted, base::WaitBudget& budget, detail::Deadline deadline);
  /// Publishes everything that was committed, waiting for room; false when the peer has gone.
  bool flush(base::WaitBudget& budget, Wake events = Wake::data);
  /// Whether the peer published last from the CPU of the calling thread: then it may need that to go on. A hint.
  bool peer_was_here() const noexcept;
  int socket() const noexcept { return socket_.get(); }
  std::atomic<std::uint64_t>& extra_word(std::size_t i) noexcept { return words_->extra[i].word; }

 private:
  struct Side {
    std::size_t index;
  };
  struct Outgoing {
    RecordHeader header;
    std::unique_ptr<std::byte[]> payload;
    std::vector<Fd> fds;
    std::size_t written = 0;  // Of header, payload and padding.
  };
  Channel(Seed seed, Side side);

  void commit_to_ring(RecordLabel label, detail::Writer& payload);
  Record record(const RecordHeader& header, std::span<const std::byte> payload);
  bool send_fds(std::vector<Fd>& fds);
  bool write_some(Outgoing& record);
  std::size_t wanted_room() const noexcept;
  std::vector<Fd> collect_fds(std::size_t count);
  std::atomic<std::uint32_t>& wants(std::size_t side) noexcept { return words_->wants[side].wake; }
  void wake_peer(Wake events);

  Fd memory_;
  Fd socket_;
  os::Mapping control_;
  std::array<os::MirroredMapping, 2> data_;
  ChannelWords* words_;
  std::size_t side_;
  RingWriter outgoing_;
  RingReader incoming_;
  BulkWriter bulk_out_;
  BulkReader bulk_in_;
  std::deque<Outgoing> outbox_;
  std::deque<Fd> arrived_fds_;
  Bytes assembled_;                         // A record larger than the ring, as far as it has come.
  std::optional<RecordHeader> assembling_;  // Its header.
  std::size_t padding_due_ = 0;             // Its padding, not consumed yet.
  std::size_t to_release_ = 0;              // Ring bytes of the record that was given out.
  std::size_t stuck_at_ = 0;                // So many bytes were readable when `receive` could do nothing with them.
  std::uint32_t told_cpu_ = 0;              // What the peer can see of where this side is.
  bool peer_closed_ = false;                // Belongs to the reading thread…
  bool peer_refuses_ = false;               // …and this to the writing one.
};

}  // namespace ipc::transport
