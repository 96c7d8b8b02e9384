#include "ipc/os/memfd.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/os/check.hpp"

namespace ipc::os {

Fd make_memfd(const char* name, std::size_t size) {
  Fd fd(check("memfd_create", [&] { return ::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING); }));
  check("ftruncate", [&] { return ::ftruncate(fd.get(), static_cast<off_t>(size)); });
  check("fcntl(F_ADD_SEALS)", [&] { return ::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK); });
  return fd;
}

bool cannot_shrink(int fd) noexcept {
  const int seals = ::fcntl(fd, F_GET_SEALS);
  return seals >= 0 && (seals & F_SEAL_SHRINK) != 0;
}

FileFacts file_facts(int fd) {
  struct stat facts {};
  check("fstat", [&] { return ::fstat(fd, &facts); });
  return {{static_cast<std::uint64_t>(facts.st_dev), static_cast<std::uint64_t>(facts.st_ino)}, static_cast<std::size_t>(facts.st_size)};
}

}  // namespace ipc::os
