#include "ipc/os/spawn.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>

#include "ipc/os/stdio.hpp"

namespace ipc::os {
namespace {

class FileActions {
 public:
  FileActions() { require(::posix_spawn_file_actions_init(&actions_)); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }

  void duplicate(int from, int to) { require(::posix_spawn_file_actions_adddup2(&actions_, from, to)); }
  void open(int fd, const char* path, int flags) { require(::posix_spawn_file_actions_addopen(&actions_, fd, path, flags, 0)); }
  void close_from(int first) {
#if defined(__GLIBC_PREREQ) && __GLIBC_PREREQ(2, 34)
    require(::posix_spawn_file_actions_addclosefrom_np(&actions_, first));
#else
    // Misses what other threads open from here on without close-on-exec. A number that is closed by then does no harm.
    DIR* open_fds = ::opendir("/proc/self/fd");
    if (open_fds == nullptr) throw std::system_error(errno, std::generic_category(), "opendir(/proc/self/fd)");
    int error = 0;
    while (const dirent* entry = ::readdir(open_fds)) {
      const int fd = std::atoi(entry->d_name);
      if (fd >= first && error == 0) error = ::posix_spawn_file_actions_addclose(&actions_, fd);
    }
    ::closedir(open_fds);
    require(error);
#endif
  }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  static void require(int error) {
    if (error != 0) throw std::system_error(error, std::generic_category(), "posix_spawn_file_actions");
  }
  posix_spawn_file_actions_t actions_;
};

}  // namespace

pid_t spawn_self(const char* argv0, const char* argument, int fd) {
  flush_standard_streams();
  FileActions actions;
  // First of all: `fd` may have any number, 0 included. Onto itself it only loses its close-on-exec flag.
  actions.duplicate(fd, spawned_fd);
  actions.open(STDIN_FILENO, "/dev/null", O_RDONLY);
  actions.close_from(spawned_fd + 1);
  std::string words[] = {argv0, argument, std::to_string(spawned_fd)};
  const std::array<char*, 4> argv{words[0].data(), words[1].data(), words[2].data(), nullptr};
  pid_t pid = 0;
  // Not the path of the program: that may have been replaced or removed since this process began.
  const int error = ::posix_spawn(&pid, "/proc/self/exe", actions.get(), nullptr, argv.data(), environ);
  if (error != 0) throw std::system_error(error, std::generic_category(), "posix_spawn");
  return pid;
}

}  // namespace ipc::os
