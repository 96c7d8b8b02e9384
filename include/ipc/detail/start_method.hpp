#pragma once

#include <cstdint>

namespace ipc {

/// How a process is made.
/// * `fork`: a copy of this process. The fastest, and target and arguments may be anything.
/// * `spawn`: the program is executed afresh. Nothing is inherited but stdout, stderr and what the arguments carry.
/// * `forkserver`: forked by a single-threaded process that was spawned at the first use and has nothing of ours open.
enum class StartMethod : std::uint8_t { fork, spawn, forkserver };

}  // namespace ipc
