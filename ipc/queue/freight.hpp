#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ipc/fd.hpp>

namespace ipc::queues {

/// The descriptors of items in a queue, on their way in a socket pair that belongs to the queue alone: they arrive though
/// their sender has exited, and the kernel closes them when nobody has the queue any more. (A queue with a name may be opened again
/// after that: its items have lost theirs.) One packet an item, numbered in the
/// order of the items; numbers grow, and may have gaps.
///
/// If a process is killed: a packet whose item was never committed, or whose item was taken but which was not dropped, is
/// recognised by its number and dropped by whoever takes the next item with descriptors.
class Freight {
 public:
  /// The most descriptors that one item can carry.
  static constexpr std::size_t most_fds = 253;

  struct Ends {
    Fd send;
    Fd receive;
    Fd life;  ///< Of a queue with a name: see depot.hpp.
  };
  static Ends make();
  explicit Freight(Ends ends) noexcept : ends_(std::move(ends)) {}

  const Ends& ends() const noexcept { return ends_; }
  explicit operator bool() const noexcept { return static_cast<bool>(ends_.send); }

  /// Under put_lock. False when there is no room in the socket before somebody takes an item with descriptors.
  bool load(std::uint64_t number, std::span<const Fd> fds) const;
  /// Under get_lock: duplicates of the descriptors of packet `number`, which stays until `drop`. Drops those before it.
  /// Throws `std::system_error` (EMFILE) when this process has no room for them. Nothing when there is no such packet (any more).
  std::optional<std::vector<Fd>> look(std::uint64_t number) const;
  /// Under get_lock: the next packet.
  void drop() const noexcept;
  /// Under both locks.
  void drop_all() const noexcept;

 private:
  Ends ends_;
};

}  // namespace ipc::queues
