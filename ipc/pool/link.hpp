#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <deque>
#include <string>

#include <ipc/error.hpp>

#include "ipc/pool/ids.hpp"
#include "ipc/pool/protocol.hpp"
#include "ipc/process/child.hpp"
#include "ipc/transport/channel.hpp"

namespace ipc::pool {

/// The pool's end of one worker: its process, its channel, and the sequences of the tasks in its window, in order.
/// Guarded by the pool's lock; see PoolState for who may read the channel.
struct Link {
  using Clock = std::chrono::steady_clock;

  Link(WorkerId worker, std::string worker_name, std::size_t its_lane, transport::Channel ours)
      : id(worker), name(std::move(worker_name)), lane(its_lane), channel(std::move(ours)) {}

  Claims claims() noexcept { return Claims(channel.extra_word(claims_word)); }
  // relaxed: ordered by the look at the claims before it.
  Clock::time_point last_start() noexcept { return unpack_time(channel.extra_word(start_word).load(std::memory_order_relaxed)); }

  /// Whether there is something to receive, or to send on. SUBTLE: also where the worker has spoilt the channel's memory, as a task
  /// with a wild pointer may: whoever then tries finds out, and gives the worker up.
  bool stirs() noexcept {
    return ask([&] { return channel.has_data(); });
  }
  bool can_pump() noexcept {
    return ask([&] { return channel.can_pump(); });
  }
  /// It cannot be spoken to any more; its end is told by its process.
  void give_up() {
    given_up.store(true, std::memory_order_relaxed);
    child.signal(SIGKILL);
  }

  WorkerId id;
  std::string name;
  std::size_t lane;  ///< The lowest number that was free when it started: its id, for users.
  transport::Channel channel;
  process::Child child;
  std::uint32_t next_sequence = 0;
  std::deque<std::uint32_t> sequences;
  bool unpublished = false;
  bool dismissed = false;
  std::atomic<bool> given_up{false};  ///< Looked at by whoever spins, without the lock.
  std::uint64_t tasks = 0;
  std::chrono::nanoseconds busy{};
  std::uint64_t restarts = 0;
  Clock::time_point launched = Clock::now();
  Clock::time_point ready_since = Clock::time_point::max();

 private:
  template <class Question>
  bool ask(Question question) const noexcept {
    // relaxed: a little late costs a look.
    if (given_up.load(std::memory_order_relaxed)) return false;
    try {
      return question();
    } catch (const Error&) {
      return true;
    }
  }
};

}  // namespace ipc::pool
