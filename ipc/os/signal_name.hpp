#pragma once

#include <string>

namespace ipc::os {

/// "SIGKILL"; "signal 77" for a number without a name.
std::string signal_name(int signum);

}  // namespace ipc::os
