#pragma once

#include <string>

#include <ipc/fd.hpp>

namespace ipc::os {

/// A folder below /tmp (or $TMPDIR) that only this user may enter, for one socket's file.
/// If the process is killed: the lock goes with the last descriptor of that open file, and whoever makes the next folder takes
/// away those of its user that nobody holds. No pid is involved.
struct PrivateFolder {
  std::string path;
  Fd lock;  ///< Held (flock) until the folder is removed. Close-on-exec.

  /// Where its socket is to be bound.
  std::string socket_path() const;
};

/// Takes abandoned ones away, and makes a new one. Throws `std::system_error`.
PrivateFolder make_private_folder();

/// Takes the folder of this socket's file away if `make_private_folder` made it and nobody holds it any more.
void remove_abandoned_folder(const std::string& socket_path) noexcept;

}  // namespace ipc::os
