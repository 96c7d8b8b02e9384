#pragma once

#include <functional>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/message.hpp>

namespace ipc::pool {

/// The life of a worker process: the initialiser, then task after task until it is dismissed or the pool is gone. The
/// message is its letter of appointment: the two descriptors of its channel's seed, and the encoded initialiser where the
/// worker was not forked with it. Returns the exit status.
int run_worker(detail::Message& appointment, const std::function<void()>& initializer);

/// The same for a worker that was executed afresh: the initialiser is in the message.
int run_spawned_worker(detail::Message& appointment);

}  // namespace ipc::pool
