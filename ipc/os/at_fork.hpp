#pragma once

namespace ipc::os {

/// Registers what must happen around every fork(2) of this process, made by this library or not: `prepare` before,
/// `parent` and `child` after, each in the forking thread. `parent` runs as well when the fork failed. For good.
/// Throws `std::system_error` (ENOMEM).
void at_fork(void (*prepare)(), void (*parent)(), void (*child)());

}  // namespace ipc::os
