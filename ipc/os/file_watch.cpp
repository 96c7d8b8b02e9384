#include "ipc/os/file_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <string>

#include "ipc/os/check.hpp"

namespace ipc::os {

Fd watch_file(int fd) {
  Fd watch(check("inotify_init1", [] { return ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); }));
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  check("inotify_add_watch", [&] { return ::inotify_add_watch(watch.get(), path.c_str(), IN_ATTRIB); });
  return watch;
}

void touch_file(int fd) noexcept {
  retry([&] { return ::futimens(fd, nullptr); });
}

void clear_file_watch(int watch) noexcept {
  // Events that look alike are one, so that there are never many.
  alignas(inotify_event) std::array<char, 1024> events;
  while (retry([&] { return ::read(watch, events.data(), events.size()); }) > 0) {
  }
}

}  // namespace ipc::os
