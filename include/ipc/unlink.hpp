#pragma once

#include <string_view>

namespace ipc {

/// Takes the name away from an object that was made with `create` or `open_or_create`: nobody can open it any more, who has
/// a handle keeps it, and the name is free again. (A `SharedMemory` has an `unlink` of its own.)
/// Throws `std::system_error` (ENOENT) when there is no such object, `std::invalid_argument` when that is no name.
/// Any thread of any process; blocks only while another process takes the same name away.
void unlink(std::string_view name);

}  // namespace ipc
