#include "ipc/transport/channel.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include <ipc/detail/prefetch.hpp>
#include <ipc/error.hpp>

#include "ipc/os/memfd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/transport/crowding.hpp"

namespace ipc::transport {
namespace {

constexpr std::size_t channel_control_size = 4096;
constexpr std::size_t channel_fds_per_packet = 250;
constexpr std::size_t lines_ahead = 2;

constexpr std::size_t padded(std::uint64_t size) noexcept {
  return static_cast<std::size_t>((size + sizeof(RecordHeader) + 7) & ~std::uint64_t{7});
}

std::size_t channel_capacity(const Fd& memory) {
  const std::size_t size = os::file_facts(memory.get()).size;
  const std::size_t capacity = size > channel_control_size ? (size - channel_control_size) / 2 : 0;
  if (!std::has_single_bit(capacity) || capacity < channel_control_size)
    throw EncodingError("The descriptor received as a channel's memory is not one.");
  return capacity;
}

}  // namespace

std::pair<Channel, Channel::Seed> Channel::create(std::size_t capacity) {
  Fd memory = os::make_memfd("ipc-channel", channel_control_size + 2 * capacity);
  auto [ours, theirs] = os::packet_socket_pair();
  Seed seed{memory.duplicate(), std::move(theirs)};
  Channel channel(Seed{std::move(memory), std::move(ours)}, Side{0});
  return {std::move(channel), std::move(seed)};
}

Channel::Channel(Seed seed, Side side)
    : memory_(std::move(seed.memory)),
      socket_(std::move(seed.socket)),
      control_(memory_.get(), channel_control_size),
      data_{os::MirroredMapping(memory_.get(), channel_capacity(memory_), channel_control_size),
            os::MirroredMapping(memory_.get(), channel_capacity(memory_), channel_control_size + channel_capacity(memory_))},
      words_(reinterpret_cast<ChannelWords*>(control_.data())),  // SUBTLE: a fresh memfd is zeros, and zeros are a valid ChannelWords.
      side_(side.index),
      outgoing_(words_->rings[side_], data_[side_].data(), data_[side_].size()),
      incoming_(words_->rings[1 - side_], data_[1 - side_].data(), data_[1 - side_].size()),
      bulk_out_(words_->bulk[side_]),
      bulk_in_(words_->bulk[1 - side_]) {
  memory_.reset();  // The mappings keep it.
}

std::span<std::byte> Channel::payload_room() {
  if (!outbox_.empty()) return {};
  // A small record is worth waiting for in the outbox; so is anything when the ring is nearly full.
  const auto room = outgoing_.room(std::min<std::size_t>(4096, outgoing_.capacity() / 4));
  if (room.size() < sizeof(RecordHeader) + 8) return {};
  return room.subspan(sizeof(RecordHeader), (room.size() & ~std::size_t{7}) - sizeof(RecordHeader));
}

void Channel::commit(RecordLabel label, detail::Writer& payload) {
  if (!bulk_out_.owns(payload.view().data())) return commit_to_ring(label, payload);
  // It stays where it is, and is as visible as what says so.
  detail::Writer reference(payload_room());
  reference.fds() = std::move(payload.fds());
  reference.raw(bulk_out_.take(payload.size(), reference.fds()));
  label.in_bulk = 1;
  commit_to_ring(label, reference);
}

void Channel::commit_to_ring(RecordLabel label, detail::Writer& payload) {
  if (payload.fds().size() > UINT16_MAX) throw EncodingError("A message carries more than 65535 descriptors.");
  const auto fd_count = static_cast<std::uint16_t>(payload.fds().size());
  const std::size_t size = payload.size();
  const auto header = [&] { return RecordHeader{size, label.note, label.sequence, fd_count, label.kind, label.in_bulk}; };
  // SUBTLE: an empty payload fits any memory, so that it did not move to the heap does not mean that there is room.
  const auto room = outgoing_.room(padded(size));
  if (outbox_.empty() && !payload.on_heap() && room.size() >= padded(size) && send_fds(payload.fds())) {
    new (room.data()) RecordHeader(header());
    outgoing_.advance(padded(size));
    // The next records will lie in lines that the other side has.
    for (std::size_t line = 0; line < lines_ahead; ++line) detail::prefetch_to_write(room.data() + padded(size) + (line + 1) * 64);
    return;
  }
  auto fds = std::move(payload.fds());
  std::unique_ptr<std::byte[]> bytes;
  if (payload.on_heap()) {
    bytes = payload.release_heap();
  } else {
    bytes = std::unique_ptr<std::byte[]>(new std::byte[size]);
    std::copy(payload.view().begin(), payload.view().end(), bytes.get());
  }
  outbox_.push_back({header(), std::move(bytes), std::move(fds), 0});
  pump();
}

bool Channel::send_fds(std::vector<Fd>& fds) {
  // Packets hold the descriptors of one record only, so that a retry after `would_block` goes on where it stopped.
  while (!fds.empty()) {
    std::array<int, channel_fds_per_packet> numbers{};
    const std::size_t count = std::min(fds.size(), numbers.size());
    for (std::size_t i = 0; i < count; ++i) numbers[i] = fds[i].get();
    constexpr std::array<std::byte, 1> tag{std::byte{'F'}};
    const auto status = os::send_packet(socket_.get(), tag, std::span(numbers).first(count), false);
    if (status == os::SendStatus::would_block) return false;
    if (status == os::SendStatus::closed) peer_refuses_ = true;
    fds.erase(fds.begin(), fds.begin() + static_cast<std::ptrdiff_t>(count));
  }
  return true;
}

bool Channel::pump() {
  while (!outbox_.empty()) {
    if (!write_some(outbox_.front())) return false;
    outbox_.pop_front();
  }
  return true;
}

bool Channel::write_some(Outgoing& record) {
  if (!send_fds(record.fds)) return false;
  const std::size_t total = padded(record.header.size);
  if (record.written == 0) {
    const auto room = outgoing_.room(sizeof(RecordHeader));
    if (room.size() < sizeof(RecordHeader)) return false;
    std::memcpy(room.data(), &record.header, sizeof(RecordHeader));
    outgoing_.advance(record.written = sizeof(RecordHeader));
  }
  while (record.written < total) {
    const auto room = outgoing_.room(std::min(total - record.written, outgoing_.capacity()));
    const std::size_t size = std::min(total - record.written, room.size());
    if (size == 0) return false;
    const std::size_t offset = record.written - sizeof(RecordHeader);
    const auto left =
        static_cast<std::size_t>(record.header.size) - std::min<std::size_t>(offset, static_cast<std::size_t>(record.header.size));
    detail::copy_bytes(room.data(), record.payload.get() + offset, std::min(size, left));
    outgoing_.advance(size);
    record.written += size;
    // A record larger than the ring: the consumer has to take what is there before the rest can follow.
    if (record.written < total) publish();
  }
  return true;
}

void Channel::publish(Wake events) {
  if (outgoing_.has_unpublished()) outgoing_.publish();
  // relaxed: a hint. Stored when it changes only, for the peer has the line.
  if (const auto cpu = Crowding::here(); cpu != told_cpu_) words_->wants[side_].cpu.store(told_cpu_ = cpu, std::memory_order_relaxed);
  wake_peer(events);
}

void Channel::wake_peer(Wake events) {
  // SUBTLE: Dekker. Our publication must be visible before we read `wants`; announce_sleep stores `wants` before it looks
  // at the ring again. Both are seq_cst, so at least one of the two sees the other.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  auto& word = wants(1 - side_);
  if ((word.load(std::memory_order_relaxed) & static_cast<std::uint32_t>(events)) == 0) return;
  if (word.exchange(0, std::memory_order_acq_rel) == 0) return;
  constexpr std::array<std::byte, 1> tag{std::byte{'D'}};
  // A socket full of unread doorbells is a doorbell.
  os::send_packet(socket_.get(), tag, {}, false);
}

std::optional<Record> Channel::receive() {
  for (;;) {
    const auto bytes = incoming_.readable(assembling_ ? 1 : sizeof(RecordHeader));
    stuck_at_ = bytes.size();
    if (padding_due_ != 0) {
      const std::size_t part = std::min(padding_due_, bytes.size());
      if (part == 0) return std::nullopt;
      incoming_.consume(part);
      padding_due_ -= part;
      // SUBTLE: these few bytes may be all that the rest of the next record lacks, and we shall wait for that rest.
      wake_peer(Wake::room);
      continue;
    }
    if (assembling_) {
      const auto part = bytes.first(std::min<std::size_t>(bytes.size(), static_cast<std::size_t>(assembling_->size) - assembled_.size()));
      detail::append_copy(assembled_, part.data(), part.size());
      incoming_.consume(part.size());
      wake_peer(Wake::room);
      if (assembled_.size() < assembling_->size) {
        if (part.empty()) return std::nullopt;
        continue;
      }
      const RecordHeader header = *assembling_;
      assembling_.reset();
      padding_due_ = padded(header.size) - sizeof(RecordHeader) - static_cast<std::size_t>(header.size);
      stuck_at_ = 0;
      return record(header, assembled_);
    }
    if (bytes.size() < sizeof(RecordHeader)) return std::nullopt;
    RecordHeader header;
    std::memcpy(&header, bytes.data(), sizeof header);
    if (header.size > (std::uint64_t{1} << 48)) fail_corrupt_ring();
    if (padded(header.size) <= incoming_.capacity()) {
      stuck_at_ = incoming_.readable(padded(header.size)).size();
      if (stuck_at_ < padded(header.size)) return std::nullopt;
      stuck_at_ = 0;
      to_release_ = padded(header.size);
      return record(header, incoming_.readable(0).subspan(sizeof header, static_cast<std::size_t>(header.size)));
    }
    // It grows with what arrives; what the header promises is believed only as far as it costs nothing but addresses.
    assembled_.clear();
    assembled_.reserve(std::min<std::size_t>(static_cast<std::size_t>(header.size), std::size_t{64} << 20));
    assembling_ = header;
    incoming_.consume(sizeof header);
  }
}

Record Channel::record(const RecordHeader& header, std::span<const std::byte> payload) {
  Record record{header, payload, collect_fds(header.fds)};
  if (header.in_bulk == 0) return record;
  BulkRef ref;
  if (payload.size() != sizeof ref) fail_corrupt_ring();
  std::memcpy(&ref, payload.data(), sizeof ref);
  record.payload = bulk_in_.open(ref, record.fds);
  return record;
}

void Channel::release() {
  bulk_in_.release();
  if (to_release_ != 0) incoming_.consume(std::exchange(to_release_, 0));
  if (assembled_.capacity() > 4 * incoming_.capacity() && !assembling_)
    assembled_ = Bytes();
  else if (!assembling_)
    assembled_.clear();
}

std::vector<Fd> Channel::collect_fds(std::size_t count) {
  std::vector<Fd> fds;
  if (count == 0) return fds;
  // They were sent before the record was published, so they are here.
  if (arrived_fds_.size() < count) answer_doorbell();
  if (arrived_fds_.size() < count) throw EncodingError("Descriptors that belong to a message have not arrived with it.");
  for (std::size_t i = 0; i < count; ++i) {
    fds.push_back(std::move(arrived_fds_.front()));
    arrived_fds_.pop_front();
  }
  return fds;
}

void Channel::announce_sleep(Wake wanted) noexcept { wants(side_).store(static_cast<std::uint32_t>(wanted), std::memory_order_seq_cst); }

// relaxed: a doorbell more or less is harmless.
void Channel::awake() noexcept { wants(side_).store(0, std::memory_order_relaxed); }

std::size_t Channel::wanted_room() const noexcept {
  // Half the ring at a time is enough for what streams. SUBTLE: never more than the front record still needs, for the peer
  // may be waiting for just that, and would free nothing more before it has come.
  const std::size_t due = outbox_.empty() ? 1 : padded(outbox_.front().header.size) - outbox_.front().written;
  return std::min(due, outgoing_.capacity() / 2);
}

bool Channel::can_pump() {
  // Descriptors that the socket did not take go when the peer has emptied it, and then it has made room as well.
  return !outbox_.empty() && outbox_.front().fds.empty() && outgoing_.room(wanted_room()).size() >= wanted_room();
}

// relaxed: a hint.
bool Channel::peer_was_here() const noexcept { return words_->wants[1 - side_].cpu.load(std::memory_order_relaxed) == Crowding::here(); }

bool Channel::wait(Wake wanted, base::WaitBudget& budget, detail::Deadline deadline) {
  const bool for_room = (static_cast<std::uint32_t>(wanted) & static_cast<std::uint32_t>(Wake::room)) != 0;
  const bool for_data = (static_cast<std::uint32_t>(wanted) & static_cast<std::uint32_t>(Wake::data)) != 0;
  const auto ready = [&] { return (for_data && has_data()) || (for_room && outgoing_.room(wanted_room()).size() >= wanted_room()); };
  // Spinning on the CPU that the peer needs is in vain. To give it away without falling asleep saves the peer the doorbell for
  // each few records, and lets the kernel move one of the two to a CPU that is free.
  if (budget.wait(peer_was_here(), ready)) return true;
  announce_sleep(wanted);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // The other half of wake_peer's Dekker.
  bool woken = true;
  if (!ready() && !peer_closed_) {
    const bool fds_due = for_room && !outbox_.empty() && !outbox_.front().fds.empty();
    std::array<os::PollEntry, 2> entries{os::PollEntry{.fd = socket_.get()},
                                         os::PollEntry{.fd = fds_due ? socket_.get() : -1, .for_writing = true}};
    woken = os::poll(entries, deadline) != 0;
    if (entries[0].ready) answer_doorbell();
    budget.woke();
  }
  awake();
  return woken;
}

bool Channel::flush(base::WaitBudget& budget, Wake events) {
  for (;;) {
    const bool all = pump();
    publish(events);
    if (peer_closed_ || peer_refuses_) return false;
    if (all) return true;
    wait(Wake::room, budget, detail::Deadline::never());
  }
}

void Channel::answer_doorbell() {
  for (;;) {
    std::array<std::byte, 8> ignored{};
    std::vector<Fd> fds;
    const auto packet = os::receive_packet(socket_.get(), ignored, fds, false);
    for (Fd& fd : fds) arrived_fds_.push_back(std::move(fd));
    if (packet.status == os::ReceiveStatus::would_block) return;
    if (packet.status == os::ReceiveStatus::closed) {
      peer_closed_ = true;
      return;
    }
  }
}

}  // namespace ipc::transport
