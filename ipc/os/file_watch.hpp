#pragma once

#include <ipc/fd.hpp>

namespace ipc::os {

/// News that need no descriptor in common: whoever has a file open can tell all who watch it, in whatever container they are, by
/// touching its times (inotify(7), IN_ATTRIB). What is written to the file, or to a mapping of it, tells nobody.

/// A descriptor that becomes readable each time the file behind `fd` is touched, until it is cleared. Close-on-exec.
/// Throws `std::system_error` (EMFILE when the user has fs.inotify.max_user_instances of them; ENOENT where there is no /proc).
Fd watch_file(int fd);
/// For all who watch it. `fd` is open for writing.
void touch_file(int fd) noexcept;
void clear_file_watch(int watch) noexcept;

}  // namespace ipc::os
