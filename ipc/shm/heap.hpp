#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include <ipc/detail/name_use.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>

#include "ipc/os/memfd.hpp"
#include "ipc/shm/arena.hpp"
#include "ipc/shm/created_name.hpp"

namespace ipc::shm {

/// This process's side of shared memory: which segments it maps, which blocks it holds. A block's payload is handed out
/// behind a `shared_ptr`; when the last copy in this process goes, so does this process's reference, and when the last
/// process's goes, the block. Forked children hold what their parent held, before `fork` returns in either of them; a
/// message that carries a handle is a holder like a process, until its last descriptor is closed, read or not.
/// Any thread. One per process, never destroyed: handles may live in static objects.
///
/// Not covered: children made by `clone(2)` or `_Fork` (they run no fork handlers and are taken for their parent), and
/// processes that close descriptors they did not open (they are taken for dead).
class Heap {
 public:
  static Heap& instance();
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  /// A new block or segment, zeroed, then constructed. Aligned to a cache line. Throws `std::system_error`.
  std::shared_ptr<std::byte> make(const Arena::Request& request, const std::function<void(std::byte*)>& construct);
  /// Puts a reference to what `make` or `decode` returned into a message.
  void encode(detail::Writer& writer, const std::byte* payload);
  /// Takes it out again. `EncodingError` when it is no `kind` of at least `least_size`, or does not exist any more.
  std::shared_ptr<std::byte> decode(detail::Reader& reader, Kind kind, std::size_t least_size);
  /// The room there is for a payload; at least what was asked for.
  std::size_t capacity(const std::byte* payload);

  /// An object that unrelated processes find by its name: a segment of its own, of one part or more.
  struct NamedPart {
    Arena::Request request;
    std::size_t least_size = 0;  ///< What there must be where the object exists already.
  };
  struct NamedRequest {
    Name name;
    detail::NameUse use = detail::NameUse::create;
    std::uint64_t type_tag = 0;
    std::string type_name;  ///< For messages.
    std::vector<NamedPart> parts;
    std::function<void(std::span<std::byte* const>)> construct;  ///< Gets all parts, zeroed; before anybody can open the object.
  };
  struct Named {
    std::vector<std::shared_ptr<std::byte>> parts;
    bool created = false;
  };
  /// Throws `std::system_error` (EEXIST, ENOENT), and `UsageError` when the name is taken by an object of another type.
  Named named(const NamedRequest& request);

  struct Facts {
    std::size_t segments = 0;     ///< Mapped here.
    std::size_t used_blocks = 0;  ///< In all arenas mapped here, whoever holds them.
    std::size_t held_blocks = 0;  ///< By this process.
  };
  /// For tests. Sweeps first, so that only the living count.
  Facts facts();
  /// For tests: see `Arena::check`.
  void check();

 private:
  struct Ticket {
    std::uint32_t holder = crowd;
    const detail::Writer* writer = nullptr;
    std::size_t count_at = 0;  ///< Where in the message the number of its handles stands.
  };
  /// A mapped segment.
  struct Segment {
    Segment(Fd file_, os::Mapping mapping_, os::FileId id_);
    Fd file;
    os::Mapping mapping;
    os::FileId id;
    Arena arena;
    bool is_arena = false;
    std::uint32_t holder = crowd;        ///< This process's number in the arena.
    Fd life;                             ///< Keeps the number.
    std::uint32_t child_holder = crowd;  ///< While a fork is under way.
    Fd child_life;
    std::optional<CreatedName> name;  ///< Of a segment that this process made under one.
    bool is_family = false;           ///< Made by this process or one it was forked from: new blocks go here; stays mapped.
    std::unordered_map<std::uint64_t, std::uint32_t> held;  ///< Offset of each block held -> how many `shared_ptr` families.
    std::unordered_map<int, Ticket> tickets;                ///< By descriptor; may be stale, see `ticket_in`.
  };
  /// A message's descriptor that is kept until all of the message's handles have been decoded.
  struct Arrival {
    Segment* segment;
    std::uint32_t holder;
    std::uint32_t handles_left;
    Fd fd;
  };
  class Release;

  Heap();
  Segment& add_segment(Fd file, os::Mapping mapping, os::FileId id);
  Segment& new_arena();
  Segment& segment_of(const std::byte* payload);
  Segment* find(os::FileId id);
  Segment& open_segment(const Fd& fd, os::FileId id);
  std::shared_ptr<std::byte> make_single(const Arena::Request& request, const std::function<void(std::byte*)>& construct);
  Segment& open_named_segment(const NamedRequest& request, Fd file);
  std::shared_ptr<std::byte> handle(Segment& segment, std::uint64_t offset);
  Ticket* ticket_in(Segment& segment, detail::Writer& writer);
  Ticket new_ticket(Segment& segment, detail::Writer& writer);
  void close_arrival(std::size_t index);
  static bool settle_mutexes(std::byte* payload, std::uint32_t count) noexcept;
  void release(Segment& segment, std::uint64_t offset) noexcept;
  void unmap_if_unused(Segment& segment);
  void before_fork() noexcept;
  void after_fork_in_parent() noexcept;
  void after_fork_in_child() noexcept;

  std::mutex mutex_;  ///< Guards everything below; taken before any arena's, and over fork.
  std::list<Segment> segments_;
  std::map<const std::byte*, Segment*> by_address_;
  std::map<os::FileId, Segment*> by_id_;
  std::vector<Arrival> arrivals_;
};

}  // namespace ipc::shm
