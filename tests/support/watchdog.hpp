#pragma once

#include <chrono>
#include <string>

namespace ipc::test {

/// Ends the process with SIGABRT, after a line that names what hung, unless it is disarmed in time. One per process: arming it
/// again starts it anew. It is not inherited by fork. Tests wait for states and never for time; this ends what waits for ever.
/// Under a sanitizer the time is five times as long.
void arm_watchdog(const std::string& what, std::chrono::seconds time = std::chrono::seconds(120));
void disarm_watchdog() noexcept;

}  // namespace ipc::test
