#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "ipc/os/memfd.hpp"
#include "ipc/queue/freight.hpp"
#include "ipc/sync/lock.hpp"

namespace ipc::queues {

/// Where those who open a queue by its name find the sockets in which its items' descriptors travel. No name leads to a socket,
/// and nobody may be asked to hand one out who may never call us again: so each process that has the sockets notes its pid and
/// their numbers here, and whoever comes fetches them from any of these (pidfd_getfd(2)), which need not do anything for it.
///
/// A note is only a hint: pids and numbers are used again, and mean others in another container. What was fetched is compared
/// with `send` and `receive`.
///
/// NOTE: shared structure; any thread of any process.
/// Invariants
/// 1. Whoever has the sockets shares byte `life_byte` of the queue's file, by a descriptor that goes where they go: to forked
///    children, and in handles that are sent. So that byte can be seized only if nobody has them.
/// 2. `send` and `receive` are stored under `lock`, with the byte seized: then whatever lay in former sockets is lost.
/// 3. A holder is 0 or one word of pid and numbers: it is there or not.
///
/// If a process is killed: the kernel lets go of the byte with the last descriptor. What it noted is recognised as wrong, or belongs to
/// its children, who have notes of their own; it is overwritten by those who find no room.
struct DepotWords {
  static constexpr std::size_t count = 32;

  DepotWords() : lock(false) {}

  /// The sockets of the queue whose file that is: those of others who have them, or new ones where nobody does. None when others
  /// do and this process may not have theirs. Notes that this process has them. Throws `std::system_error`.
  Freight::Ends enter(int file);
  /// For ends that came in another way: by a fork or with a handle.
  void note(const Freight::Ends& ends) noexcept;
  /// To be called before this process closes its ends.
  void leave() noexcept;

  sync::LockState lock;
  os::FileId send;
  os::FileId receive;
  std::array<std::atomic<std::uint64_t>, count> holders;

 private:
  Freight::Ends fetch() const;
};
static_assert(std::is_standard_layout_v<DepotWords> && std::is_trivially_destructible_v<DepotWords>);

}  // namespace ipc::queues
