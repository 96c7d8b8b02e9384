#pragma once

namespace ipc::os {

/// Whether stderr is a terminal that somebody may look at.
bool stderr_is_terminal() noexcept;

}  // namespace ipc::os
