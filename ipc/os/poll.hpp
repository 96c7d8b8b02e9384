#pragma once

#include <cstddef>
#include <span>

#include <ipc/detail/deadline.hpp>

namespace ipc::os {

/// One descriptor to wait for. `ready` is set when it is readable, or has hung up or failed (reading says which);
/// with `for_writing`, when it is writable or has hung up. A negative descriptor is ignored and never ready.
struct PollEntry {
  int fd = -1;
  bool for_writing = false;
  bool ready = false;
  bool hung_up = false;
  bool invalid = false;  ///< Not an open descriptor. It counts as hung up.
};

/// Waits until at least one entry is ready or the deadline has passed; returns how many are. Level-triggered.
/// Signals do not end the wait.
std::size_t poll(std::span<PollEntry> entries, detail::Deadline deadline);

/// True when `fd` became readable (or hung up) in time.
bool wait_readable(int fd, detail::Deadline deadline);

}  // namespace ipc::os
