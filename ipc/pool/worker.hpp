#pragma once

#include <functional>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/message.hpp>

namespace ipc::pool {

/// What a worker does besides its tasks; either may be empty.
struct WorkerDuties {
  std::function<void()> initialize = {};
  std::function<void()> at_exit = {};  ///< When it is dismissed.
};

/// The life of a worker process: the initialiser, then task after task until it is dismissed or the pool is gone. The
/// message is its letter: the two descriptors of its channel's seed, its Appointment, and the encoded initialiser where the
/// worker was not forked with it. Returns the exit status.
int run_worker(detail::Message& letter, const WorkerDuties& duties);

/// The same for a worker that was executed afresh: the initialiser is in the message.
int run_spawned_worker(detail::Message& letter);

}  // namespace ipc::pool
