#include "ipc/os/terminal.hpp"

#include <unistd.h>

namespace ipc::os {

bool stderr_is_terminal() noexcept { return ::isatty(STDERR_FILENO) == 1; }

}  // namespace ipc::os
