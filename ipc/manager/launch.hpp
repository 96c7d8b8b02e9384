#pragma once

#include <string>

#include "ipc/manager/server.hpp"
#include "ipc/process/child.hpp"

namespace ipc::manager {

struct LaunchedServer {
  std::string address;
  process::Child process;
};

/// Forks a process that serves until a client ends it or this process ends, in any way; returns when it listens. Throws what
/// listening throws there.
LaunchedServer launch_server(const ServerOptions& options);

}  // namespace ipc::manager
