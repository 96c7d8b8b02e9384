#pragma once

namespace ipc {

/// To be called first in `main` by programs that start processes by spawn or forkserver, or offer themselves as remote
/// workers. In a process that this library has spawned it runs what that process is for, and does not return; in
/// every other it only notes that it was called. Leaves `argc` and `argv` as they are.
void init(int argc, char** argv);

}  // namespace ipc
