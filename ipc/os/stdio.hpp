#pragma once

#include <string_view>

namespace ipc::os {

/// Writes out what stdout and stderr hold, and the standard streams on them. Closed or broken outputs are passed over in silence,
/// without a SIGPIPE: they must not keep a process from starting or ending.
void flush_standard_streams() noexcept;

/// One write(2), so that lines of several processes do not mix. Errors are ignored, and cause no signal.
void write_to_stderr(std::string_view text) noexcept;

/// Makes stdin read from /dev/null and forgets what was read ahead. Another descriptor that has its number, because the
/// program had closed it, stays what it is.
void detach_stdin() noexcept;

}  // namespace ipc::os
