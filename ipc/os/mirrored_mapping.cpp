#include "ipc/os/mirrored_mapping.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace ipc::os {
namespace {

void* map(void* at, std::size_t size, int protection, int flags, int fd, std::size_t offset) {
  void* where = ::mmap(at, size, protection, flags, fd, static_cast<off_t>(offset));
  if (where == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  return where;
}

}  // namespace

MirroredMapping::MirroredMapping(int fd, std::size_t size, std::size_t offset) : size_(size) {
  // Both halves replace parts of one reservation: no other thread's mapping can get in between.
  data_ = static_cast<std::byte*>(map(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  try {
    for (std::size_t half = 0; half < 2; ++half) map(data_ + half * size, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, offset);
  } catch (...) {
    ::munmap(data_, 2 * size);
    throw;
  }
}

MirroredMapping::~MirroredMapping() {
  if (data_ != nullptr) ::munmap(data_, 2 * size_);
}

}  // namespace ipc::os
