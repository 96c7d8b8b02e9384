#pragma once

#include <string>

#include "ipc/os/fork_witness.hpp"
#include "ipc/os/memfd.hpp"
#include "ipc/os/private_folder.hpp"

namespace ipc::os {

/// The place of a unix socket in the file system: bound by the constructor, and removed by `remove` or the destructor, but
/// only by the process that bound it, and only while it still is this socket's. What a killed process leaves behind there
/// is taken over by the next that binds it.
/// One thread at a time.
class SocketPath {
 public:
  /// Binds `socket` to `path`, open to this user only. Where a file of this user is in the way that is a socket which
  /// nobody has open any more, it is replaced. Throws `std::system_error` (EADDRINUSE, EACCES, ENOENT…).
  SocketPath(int socket, const std::string& path);
  /// Binds it in a new `PrivateFolder`, which goes with it; after a kill, when the next is made.
  explicit SocketPath(int socket);
  SocketPath(const SocketPath&) = delete;
  SocketPath& operator=(const SocketPath&) = delete;
  ~SocketPath() { remove(); }

  /// Absolute.
  const std::string& path() const noexcept { return path_; }
  void remove() noexcept;

 private:
  void bind(int socket);

  PrivateFolder folder_;  // Of our own making; not locked if there is none.
  std::string path_;
  FileId file_;
  ForkWitness witness_;
};

}  // namespace ipc::os
