#include "ipc/os/file_space.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

struct stat facts_of(int fd) {
  struct stat facts {};
  check("fstat", [&] { return ::fstat(fd, &facts); });
  return facts;
}

}  // namespace

void extend_file(int fd, std::size_t size) {
  if (static_cast<std::size_t>(facts_of(fd).st_size) >= size) return;
  check("ftruncate", [&] { return ::ftruncate(fd, static_cast<off_t>(size)); });
}

void reserve_space(int fd, std::size_t offset, std::size_t size) {
  check("fallocate", [&] { return ::fallocate(fd, 0, static_cast<off_t>(offset), static_cast<off_t>(size)); });
}

void discard_space(int fd, std::size_t offset, std::size_t size) noexcept {
  retry([&] { return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset), static_cast<off_t>(size)); });
}

std::size_t space_in_use(int fd) { return static_cast<std::size_t>(facts_of(fd).st_blocks) * 512; }

}  // namespace ipc::os
