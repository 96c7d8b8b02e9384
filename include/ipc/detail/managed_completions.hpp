#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/queue_proxy.hpp>

namespace ipc::detail {

/// What `Completions` is for results of pools, for those of managed pools: each puts its position into a queue of the same
/// manager's when it is ready. One thread at a time.
class ManagedCompletions {
 public:
  /// Throws `UsageError` when they are of several managers.
  explicit ManagedCompletions(const References& results);
  ManagedCompletions(const ManagedCompletions&) = delete;
  ManagedCompletions& operator=(const ManagedCompletions&) = delete;

  std::optional<std::size_t> next(Deadline deadline);
  std::size_t size() const noexcept { return size_; }
  std::size_t left() const noexcept { return size_ - given_; }
  std::size_t first_of(std::size_t position) const noexcept { return first_[position]; }

 private:
  std::vector<std::size_t> first_;
  std::size_t size_ = 0;
  std::size_t given_ = 0;
  std::optional<QueueProxy<std::uint64_t>> ready_;
  std::deque<std::uint64_t> taken_;  // Out of the queue, and not given yet.
};

}  // namespace ipc::detail
