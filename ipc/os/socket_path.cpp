#include "ipc/os/socket_path.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <thread>
#include <utility>

#include "ipc/os/check.hpp"
#include "ipc/os/socket_address.hpp"

namespace ipc::os {
namespace {

/// The socket file at `path`, of this user; none when there is something else.
std::optional<FileId> own_socket_file(const std::string& path) noexcept {
  struct stat facts {};
  if (::lstat(path.c_str(), &facts) != 0 || !S_ISSOCK(facts.st_mode) || facts.st_uid != ::geteuid()) return std::nullopt;
  return FileId{facts.st_dev, facts.st_ino};
}

/// Whether a socket of any process is bound to the file. A datagram socket asks: a stream listener refuses it for its type
/// and takes no notice, where a connection to find out would be one more client.
bool is_in_use(const std::string& path) {
  const Fd probe(check("socket", [] { return ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0); }));
  const SocketAddress address = SocketAddress::of_path(path);
  const auto bytes = address.bytes();
  const int result =
      retry([&] { return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(bytes.data()), static_cast<socklen_t>(bytes.size())); });
  return result == 0 || errno != ECONNREFUSED;
}

/// Removes a socket file that its process left behind; false when there is none, or somebody else is about to do it.
bool remove_stale(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  const Fd lock(retry([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  // SUBTLE: without the lock a second process, having looked before us, would remove what we are about to bind. Nobody
  // waits for it: of two that start at the same time, one has to lose.
  if (!lock || retry([&] { return ::flock(lock.get(), LOCK_EX | LOCK_NB); }) != 0) return false;
  const auto file = own_socket_file(path);
  if (!file || is_in_use(path)) return false;
  // SUBTLE: bind(2) makes the file a moment before connect(2) finds the socket by it. What was made just now is found at
  // the second look.
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  return own_socket_file(path) == file && !is_in_use(path) && ::unlink(path.c_str()) == 0;
}

int bind_to(int socket, const std::string& path) {
  const SocketAddress address = SocketAddress::of_path(path);
  const auto bytes = address.bytes();
  return ::bind(socket, reinterpret_cast<const sockaddr*>(bytes.data()), static_cast<socklen_t>(bytes.size()));
}

}  // namespace

SocketPath::SocketPath(int socket, const std::string& path) : path_(std::filesystem::absolute(path)) { bind(socket); }

SocketPath::SocketPath(int socket) : folder_(make_private_folder()), path_(folder_.socket_path()) {
  try {
    bind(socket);
  } catch (...) {
    ::rmdir(folder_.path.c_str());
    throw;
  }
}

void SocketPath::bind(int socket) {
  // On Linux a socket's file gets the mode of the socket, so that there is no moment at which others may connect.
  check("fchmod", [&] { return ::fchmod(socket, S_IRUSR | S_IWUSR); });
  int result = bind_to(socket, path_);
  if (result != 0 && errno == EADDRINUSE) {
    result = remove_stale(path_) ? bind_to(socket, path_) : -1;
    if (result != 0) {
      throw std::system_error(
          EADDRINUSE, std::generic_category(),
          "bind: " + path_ + " is in use, by a process that listens there or by a file that is no abandoned socket of this user");
    }
  }
  if (result != 0) throw std::system_error(errno, std::generic_category(), "bind: " + path_);
  if (const auto file = own_socket_file(path_)) file_ = *file;
}

void SocketPath::remove() noexcept {
  if (path_.empty() || witness_.forked()) return;
  if (own_socket_file(path_) == file_) ::unlink(path_.c_str());
  if (folder_.lock) ::rmdir(folder_.path.c_str());
  folder_.lock.reset();
  path_.clear();
}

}  // namespace ipc::os
