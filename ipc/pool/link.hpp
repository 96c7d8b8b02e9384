#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include "ipc/pool/ids.hpp"
#include "ipc/pool/protocol.hpp"
#include "ipc/process/child.hpp"
#include "ipc/transport/channel.hpp"

namespace ipc::pool {

/// The pool's end of one worker: its process, its channel, and the sequences of the tasks in its window, in order.
/// Guarded by the pool's lock; see PoolState for who may read the channel.
struct Link {
  Link(WorkerId worker, std::string worker_name, transport::Channel ours)
      : id(worker), name(std::move(worker_name)), channel(std::move(ours)) {}

  Claims claims() noexcept { return Claims(channel.extra_word(claims_word)); }
  std::chrono::steady_clock::time_point last_start() noexcept { return read_start(channel.extra_word(start_word)); }

  WorkerId id;
  std::string name;
  transport::Channel channel;
  process::Child child;
  std::uint32_t next_sequence = 0;
  std::deque<std::uint32_t> sequences;
  bool unpublished = false;
  bool dismissed = false;
  std::uint64_t tasks = 0;
  std::chrono::nanoseconds busy{};
};

}  // namespace ipc::pool
