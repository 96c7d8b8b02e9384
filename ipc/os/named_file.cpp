#include "ipc/os/named_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <utility>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

constexpr mode_t owner_only = S_IRUSR | S_IWUSR;
// By number: older C libraries misspell the names.
constexpr std::uint64_t no_hint = 0;
constexpr std::uint64_t short_lived = 2;

std::string open_file_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

std::string unused_name(const std::string& directory) {
  static std::atomic<unsigned> last{0};
  // The clock, because containers that share the directory may share pids as well.
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return directory + "/.ipc-" + std::to_string(::getpid()) + "-" + std::to_string(now.tv_sec) + std::to_string(now.tv_nsec) + "-" +
         std::to_string(++last);
}

void require_space(int fd, std::size_t size) {
  struct statvfs facts {};
  check("fstatvfs", [&] { return ::fstatvfs(fd, &facts); });
  if (facts.f_blocks == 0) return;  // Without a limit.
  if (size / facts.f_frsize >= facts.f_bavail) throw std::system_error(ENOSPC, std::generic_category(), "shared memory with a name");
}

}  // namespace

NamelessFile::NamelessFile(const std::string& directory, std::size_t size, Way way) {
  if (way == Way::automatic) fd_ = Fd(retry([&] { return ::open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, owner_only); }));
  if (!fd_) {
    const int error = way == Way::automatic ? errno : EOPNOTSUPP;
    // EISDIR: a kernel, or a file system's driver, that does not know the flag.
    if (error != EOPNOTSUPP && error != EISDIR && error != EINVAL)
      throw std::system_error(error, std::generic_category(), "open(O_TMPFILE)");
    std::string name = unused_name(directory);
    fd_ = Fd(check("open", [&] { return ::open(name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, owner_only); }));
    temporary_ = std::move(name);
  }
  try {
    require_space(fd_.get(), size);
    check("ftruncate", [&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); });
  } catch (...) {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
    throw;
  }
}

NamelessFile::~NamelessFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

bool NamelessFile::link(const std::string& path) const {
  // By the descriptor itself, since Linux 6.10 for whoever opened it; before, only for root.
  if (temporary_.empty() && retry([&] { return ::linkat(fd_.get(), "", AT_FDCWD, path.c_str(), AT_EMPTY_PATH); }) == 0) return true;
  const std::string from = temporary_.empty() ? open_file_path(fd_.get()) : temporary_;
  if (retry([&] { return ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, path.c_str(), temporary_.empty() ? AT_SYMLINK_FOLLOW : 0); }) == 0) {
    return true;
  }
  if (errno == EEXIST) return false;
  throw std::system_error(errno, std::generic_category(), "linkat");
}

Fd NamelessFile::take() noexcept { return std::move(fd_); }

Fd open_file(const std::string& path) {
  const int fd = retry([&] { return ::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); });
  if (fd >= 0) return Fd(fd);
  if (errno == ENOENT) return {};
  throw std::system_error(errno, std::generic_category(), "open " + path);
}

std::optional<FileId> file_at(const std::string& path) {
  struct stat facts {};
  if (retry([&] { return ::lstat(path.c_str(), &facts); }) == 0) {
    return FileId{static_cast<std::uint64_t>(facts.st_dev), static_cast<std::uint64_t>(facts.st_ino)};
  }
  if (errno == ENOENT) return std::nullopt;
  throw std::system_error(errno, std::generic_category(), "lstat");
}

bool remove_name(const std::string& path) {
  if (retry([&] { return ::unlink(path.c_str()); }) == 0) return true;
  if (errno == ENOENT) return false;
  throw std::system_error(errno, std::generic_category(), "unlink");
}

bool set_file_mark(int fd, bool on) noexcept {
  std::uint64_t hint = on ? short_lived : no_hint;
  return retry([&] { return ::fcntl(fd, F_SET_RW_HINT, &hint); }) == 0;
}

bool has_file_mark(int fd) noexcept {
  std::uint64_t hint = no_hint;
  return retry([&] { return ::fcntl(fd, F_GET_RW_HINT, &hint); }) == 0 && hint == short_lived;
}

}  // namespace ipc::os
