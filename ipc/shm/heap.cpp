#include "ipc/shm/heap.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/os/at_fork.hpp"
#include "ipc/os/held_byte.hpp"
#include "ipc/shm/single.hpp"

namespace ipc::shm {
namespace {

constexpr std::size_t most_arrivals = 64;

/// How a handle looks in a message.
struct Encoded {
  os::FileId segment;
  std::uint64_t offset;
  std::uint32_t generation;
  Kind kind;
  std::uint32_t ticket;    ///< The message's number among the segment's holders.
  std::uint32_t has_file;  ///< 1: the next descriptor of the message is the segment's, and a count of handles follows.
};
static_assert(sizeof(Encoded) == 40 && std::is_trivially_copyable_v<Encoded>);

[[noreturn]] void fail(const char* what) { throw EncodingError(what); }

}  // namespace

Heap::Segment::Segment(Fd file_, os::Mapping mapping_, os::FileId id_)
    : file(std::move(file_)), mapping(std::move(mapping_)), id(id_), arena(mapping, file.get()) {}

/// The deleter of the `shared_ptr`s that are handed out.
class Heap::Release {
 public:
  Release(Segment& segment, std::uint64_t offset) noexcept : segment_(&segment), offset_(offset) {}
  void operator()(std::byte*) const noexcept { Heap::instance().release(*segment_, offset_); }

 private:
  Segment* segment_;
  std::uint64_t offset_;
};

Heap& Heap::instance() {
  static Heap& heap = *new Heap();
  return heap;
}

Heap::Heap() {
  prepare_created_names();
  // The handlers find the instance complete: they first run after this static has been initialised, or wait for it.
  os::at_fork([] { instance().before_fork(); }, [] { instance().after_fork_in_parent(); }, [] { instance().after_fork_in_child(); });
}

std::shared_ptr<std::byte> Heap::make(const Arena::Request& request, const std::function<void(std::byte*)>& construct) {
  const std::lock_guard guard(mutex_);
  if (request.size > largest_block) return make_single(request, construct);
  // The youngest first: the others were full when it was made.
  for (auto segment = segments_.rbegin(); segment != segments_.rend(); ++segment) {
    if (!segment->is_arena || !segment->is_family) continue;
    if (const auto offset = segment->arena.allocate(request, segment->holder, construct)) return handle(*segment, *offset);
  }
  Segment& fresh = new_arena();
  const auto offset = fresh.arena.allocate(request, fresh.holder, construct);
  if (!offset) throw std::bad_alloc();
  return handle(fresh, *offset);
}

std::shared_ptr<std::byte> Heap::make_single(const Arena::Request& request, const std::function<void(std::byte*)>& construct) {
  const Single single({&request, 1});
  Fd file = os::make_memfd("ipc", single.size());
  os::Mapping mapping(file.get(), single.size());
  single.format(mapping);
  construct(mapping.data() + single_offset);
  const os::FileId id = os::file_facts(file.get()).id;
  return handle(add_segment(std::move(file), std::move(mapping), id), single_offset);
}

Heap::Segment& Heap::new_arena() {
  Fd file = os::make_memfd("ipc", arena_size);
  os::Mapping mapping(file.get(), arena_size);
  const os::FileId id = os::file_facts(file.get()).id;
  Arena(mapping, file.get()).format();
  Segment& segment = add_segment(std::move(file), std::move(mapping), id);
  segment.is_family = true;
  return segment;
}

Heap::Segment& Heap::add_segment(Fd file, os::Mapping mapping, os::FileId id) {
  Segment& segment = segments_.emplace_back(std::move(file), std::move(mapping), id);
  by_address_.emplace(segment.mapping.data(), &segment);
  by_id_.emplace(id, &segment);
  segment.is_arena = header_of(segment.mapping).kind == SegmentKind::arena;
  if (segment.is_arena) std::tie(segment.holder, segment.life) = segment.arena.new_holder();
  return segment;
}

std::shared_ptr<std::byte> Heap::handle(Segment& segment, std::uint64_t offset) {
  ++segment.held[offset];
  return {segment.mapping.data() + offset + (segment.is_arena ? block_header_size : 0), Release(segment, offset)};
}

Heap::Segment& Heap::segment_of(const std::byte* payload) { return *std::prev(by_address_.upper_bound(payload))->second; }

Heap::Segment* Heap::find(os::FileId id) {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : found->second;
}

std::size_t Heap::capacity(const std::byte* payload) {
  const std::lock_guard guard(mutex_);
  Segment& segment = segment_of(payload);
  const auto at = static_cast<std::uint64_t>(payload - segment.mapping.data());
  if (!segment.is_arena) return part_at(segment.mapping, at)->size;
  return segment.arena.payload_size(at - block_header_size);
}

void Heap::encode(detail::Writer& writer, const std::byte* payload) {
  const std::lock_guard guard(mutex_);
  Segment& segment = segment_of(payload);
  const auto at = static_cast<std::uint64_t>(payload - segment.mapping.data());
  Encoded encoded{};
  encoded.segment = segment.id;
  if (!segment.is_arena) {
    encoded.offset = at;
    encoded.kind = part_at(segment.mapping, at)->kind;
    encoded.has_file = 1;
    writer.raw(encoded);
    writer.raw(std::uint32_t{1});
    writer.fd(segment.file.duplicate());
    return;
  }
  const Arena::Reference reference = segment.arena.reference_to(at - block_header_size);
  encoded.offset = reference.offset;
  encoded.generation = reference.generation;
  encoded.kind = reference.kind;
  if (Ticket* ticket = ticket_in(segment, writer)) {
    encoded.ticket = ticket->holder;
    std::uint32_t count = 0;
    std::memcpy(&count, writer.at(ticket->count_at), sizeof count);
    ++count;
    std::memcpy(writer.at(ticket->count_at), &count, sizeof count);
    segment.arena.share(reference.offset, encoded.ticket);
    writer.raw(encoded);
    return;
  }
  const Ticket ticket = new_ticket(segment, writer);
  encoded.ticket = ticket.holder;
  encoded.has_file = 1;
  segment.arena.share(reference.offset, encoded.ticket);
  writer.raw(encoded);
  writer.raw(std::uint32_t{1});
}

Heap::Ticket* Heap::ticket_in(Segment& segment, detail::Writer& writer) {
  for (const Fd& fd : writer.fds()) {
    const auto found = segment.tickets.find(fd.get());
    if (found == segment.tickets.end() || found->second.writer != &writer) continue;
    // SUBTLE: the entry may be of an earlier message, whose descriptor has been closed and its number used again: for
    // another ticket, then the entry was replaced; or for another file, then the identity differs.
    if (os::file_facts(fd.get()).id == segment.id) return &found->second;
  }
  return nullptr;
}

Heap::Ticket Heap::new_ticket(Segment& segment, detail::Writer& writer) {
  auto [holder, fd] = segment.arena.new_holder();
  Ticket ticket{holder, &writer, writer.size() + sizeof(Encoded)};
  if (!fd) fd = segment.file.duplicate();
  segment.tickets[fd.get()] = ticket;
  writer.fd(std::move(fd));
  return ticket;
}

Heap::Segment& Heap::open_segment(const Fd& fd, os::FileId id) {
  const os::FileFacts facts = os::file_facts(fd.get());
  if (facts.id != id) fail("A shared handle came with the wrong descriptor: it was sent as another type, or damaged.");
  if (Segment* known = find(id)) return *known;
  if (facts.size <= single_offset) fail("A shared handle came with a descriptor that is no shared memory of this library.");
  os::Mapping mapping(fd.get(), facts.size);
  const SegmentHeader& header = header_of(mapping);
  const bool arena = header.kind == SegmentKind::arena;
  if (header.magic != segment_magic || header.size != facts.size || (arena ? facts.size != arena_size : !is_single(mapping))) {
    fail("A shared handle came with a descriptor that is no shared memory of this library.");
  }
  // SUBTLE: not a duplicate, which would be the message's own open file and keep the message alive, to the kernel's mind.
  // (Where files cannot be opened again, messages have no lock of their own, and it does not matter.)
  Fd file = os::reopen(fd.get());
  if (!file) file = fd.duplicate();
  if (!arena && header.named != 0) hold_named(file.get());
  return add_segment(std::move(file), std::move(mapping), id);
}

std::shared_ptr<std::byte> Heap::decode(detail::Reader& reader, Kind kind, std::size_t least_size) {
  const auto encoded = reader.raw<Encoded>();
  if (encoded.has_file > 1) fail("This is no shared handle: it was sent as another type, or damaged.");
  std::uint32_t handles = 0;
  Fd fd;
  if (encoded.has_file == 1) {
    handles = reader.raw<std::uint32_t>();
    fd = reader.fd();
  }
  const bool right_kind = encoded.kind == kind;
  const std::lock_guard guard(mutex_);
  Segment* segment = fd ? &open_segment(fd, encoded.segment) : find(encoded.segment);
  if (segment == nullptr) fail("A shared handle came without its descriptor: it was sent as another type, or damaged.");
  if (!segment->is_arena) {
    const Part* part = part_at(segment->mapping, encoded.offset);
    if (part == nullptr || !right_kind || part->kind != kind || part->size < least_size) {
      unmap_if_unused(*segment);
      fail("A shared handle was decoded as a handle of another type.");
    }
    return handle(*segment, encoded.offset);
  }
  // The arrival, the message's own hold, must be there until this process has its own: and, since no descriptor came with
  // them, until the message's other handles have been adopted, too.
  if (fd) {
    if (arrivals_.size() == most_arrivals) close_arrival(0);  // Of a message that was never decoded to its end.
    arrivals_.push_back({segment, encoded.ticket, handles, std::move(fd)});
  }
  const bool adopted = right_kind && segment->arena.adopt({encoded.offset, encoded.generation, encoded.kind}, least_size, segment->holder);
  std::shared_ptr<std::byte> result;
  if (adopted) result = handle(*segment, encoded.offset);
  const auto arrival = std::find_if(arrivals_.begin(), arrivals_.end(),
                                    [&](const Arrival& one) { return one.segment == segment && one.holder == encoded.ticket; });
  if (arrival != arrivals_.end() && --arrival->handles_left == 0) close_arrival(static_cast<std::size_t>(arrival - arrivals_.begin()));
  if (!adopted) {
    fail(right_kind ? "A shared handle names an object that does not exist any more."
                    : "A shared handle was decoded as a handle of another type.");
  }
  return result;
}

void Heap::close_arrival(std::size_t index) {
  Segment& segment = *arrivals_[index].segment;
  arrivals_.erase(arrivals_.begin() + static_cast<std::ptrdiff_t>(index));
  unmap_if_unused(segment);
}

/// The last handle here may have been thrown away under a held lock. What this thread holds it can let go of; what another
/// thread of this process holds runs through this mapping, and stays held by this process to its end: then it is false.
bool Heap::settle_mutexes(std::byte* payload, std::uint32_t count) noexcept {
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& mutex = *reinterpret_cast<os::RobustMutex*>(payload + i * mutex_stride);
    if (mutex.looks_free()) continue;
    if (mutex.is_mine())
      mutex.unlock();
    else if (mutex.is_held_here())
      return false;
  }
  return true;
}

void Heap::release(Segment& segment, std::uint64_t offset) noexcept {
  const std::lock_guard guard(mutex_);
  const auto entry = segment.held.find(offset);
  if (--entry->second != 0) return;
  if (!segment.is_arena) {
    if (!settle_mutexes(segment.mapping.data() + offset, part_at(segment.mapping, offset)->mutex_count)) return;
  } else {
    const auto& block = *reinterpret_cast<const BlockHeader*>(segment.mapping.data() + offset);
    if (!settle_mutexes(segment.arena.payload(offset), block.mutex_count)) return;
    try {
      segment.arena.release(offset, segment.holder);
    } catch (...) {
      return;  // The arena is beyond use (a foreign process spoilt its mutex); the bytes go with the segment.
    }
  }
  segment.held.erase(entry);
  unmap_if_unused(segment);
}

void Heap::unmap_if_unused(Segment& segment) {
  if (segment.is_family || !segment.held.empty()) return;
  if (std::any_of(arrivals_.begin(), arrivals_.end(), [&](const Arrival& one) { return one.segment == &segment; })) return;
  if (segment.is_arena) segment.arena.retire_holder(segment.holder);
  by_address_.erase(segment.mapping.data());
  by_id_.erase(segment.id);
  segments_.remove_if([&](const Segment& one) { return &one == &segment; });
}

void Heap::before_fork() noexcept {
  mutex_.lock();
  for (Segment& segment : segments_) {
    if (!segment.is_arena) continue;
    // From here on the child is a holder: alive through a descriptor that it inherits, and dead when it dies, though it
    // may not have run a single instruction. When the fork fails, the descriptor goes and the number with it.
    try {
      std::tie(segment.child_holder, segment.child_life) = segment.arena.new_holder();
    } catch (...) {
      segment.child_holder = crowd;
    }
    for (const auto& [offset, count] : segment.held) segment.arena.share(offset, segment.child_holder);
  }
}

void Heap::after_fork_in_parent() noexcept {
  for (Segment& segment : segments_) segment.child_life.reset();
  mutex_.unlock();
}

void Heap::after_fork_in_child() noexcept {
  for (Segment& segment : segments_) {
    if (!segment.is_arena) continue;
    // Closes this process's copy of the parent's; the parent's own keeps the parent's number.
    segment.life = std::move(segment.child_life);
    segment.holder = segment.child_holder;
  }
  arrivals_.clear();  // Of the parent's threads that were decoding.
  mutex_.unlock();
}

Heap::Facts Heap::facts() {
  const std::lock_guard guard(mutex_);
  Facts facts;
  facts.segments = segments_.size();
  for (Segment& segment : segments_) {
    facts.held_blocks += segment.held.size();
    if (!segment.is_arena) continue;
    segment.arena.sweep();
    facts.used_blocks += segment.arena.used_blocks();
  }
  return facts;
}

void Heap::check() {
  const std::lock_guard guard(mutex_);
  for (Segment& segment : segments_) {
    if (segment.is_arena) segment.arena.check();
  }
}

}  // namespace ipc::shm
