#include "ipc/os/private_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string_view>
#include <system_error>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

constexpr std::string_view prefix = "ipc-listener-";
constexpr std::string_view blanks = "XXXXXX";
constexpr const char* socket_name = "listener";
/// What is too long for a socket's path is no use.
constexpr std::size_t longest_path = 90;

std::string base_folder() {
  const char* base = std::getenv("TMPDIR");
  if (base == nullptr || *base != '/') return "/tmp";
  const std::string_view given = base;
  return given.size() + 1 + prefix.size() + blanks.size() > longest_path ? "/tmp" : std::string(given);
}

bool is_named_as_ours(const std::string& name) { return name.starts_with(prefix) && name.size() == prefix.size() + blanks.size(); }

Fd open_folder(const std::string& path) noexcept {
  return Fd(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
}

/// Whether the open folder is the one at `path`.
bool is_at(const std::string& path, const Fd& folder) noexcept {
  struct stat opened {};
  struct stat there {};
  return ::fstat(folder.get(), &opened) == 0 && ::lstat(path.c_str(), &there) == 0 && opened.st_dev == there.st_dev &&
         opened.st_ino == there.st_ino;
}

/// Whether it is this user's, and for nobody else.
bool is_private(const Fd& folder) noexcept {
  struct stat facts {};
  return ::fstat(folder.get(), &facts) == 0 && facts.st_uid == ::geteuid() && (facts.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

bool lock_at_once(const Fd& folder) noexcept {
  return retry([&] { return ::flock(folder.get(), LOCK_EX | LOCK_NB); }) == 0;
}

/// SUBTLE: all under the lock, and only what a folder of ours has in it. One that is being made may be found before it is locked;
/// its maker notices.
void remove_if_abandoned(const std::string& path) noexcept {
  const Fd folder = open_folder(path);
  if (!folder || !is_private(folder) || !lock_at_once(folder) || !is_at(path, folder)) return;
  struct stat file {};
  if (::fstatat(folder.get(), socket_name, &file, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(file.st_mode)) {
    ::unlinkat(folder.get(), socket_name, 0);
  }
  ::rmdir(path.c_str());
}

void sweep(const std::string& base) noexcept {
  try {
    for (const auto& entry : std::filesystem::directory_iterator(base)) {
      if (is_named_as_ours(entry.path().filename())) remove_if_abandoned(entry.path());
    }
  } catch (const std::exception&) {
    // It is only a service to others.
  }
}

}  // namespace

std::string PrivateFolder::socket_path() const { return path + "/" + socket_name; }

PrivateFolder make_private_folder() {
  const std::string base = base_folder();
  sweep(base);
  for (;;) {
    PrivateFolder made;
    made.path.append(base).append("/").append(prefix).append(blanks);
    if (::mkdtemp(made.path.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp: " + made.path);
    made.lock = open_folder(made.path);
    if (!made.lock && errno != ENOENT) {
      const int error = errno;
      ::rmdir(made.path.c_str());
      throw std::system_error(error, std::generic_category(), "open: " + made.path);
    }
    if (!made.lock) continue;
    // Where there are no locks, nobody takes it for abandoned either.
    const bool locked = lock_at_once(made.lock) || errno != EWOULDBLOCK;
    if (locked && is_at(made.path, made.lock)) return made;
    // Somebody who sweeps found it before it was locked, and takes it away.
  }
}

void remove_abandoned_folder(const std::string& socket_path) noexcept {
  try {
    const std::filesystem::path path(socket_path);
    if (path.filename() == socket_name && is_named_as_ours(path.parent_path().filename())) remove_if_abandoned(path.parent_path());
  } catch (const std::exception&) {
    // The next who makes a folder will.
  }
}

}  // namespace ipc::os
