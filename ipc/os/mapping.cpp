#include "ipc/os/mapping.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace ipc::os {

Mapping::Mapping(int fd, std::size_t size, bool writable, std::size_t offset) : size_(size) {
  const int protection = PROT_READ | (writable ? PROT_WRITE : 0);
  void* at = ::mmap(nullptr, size, protection, MAP_SHARED, fd, static_cast<off_t>(offset));
  if (at == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  data_ = static_cast<std::byte*>(at);
}

void Mapping::reset() noexcept {
  if (data_ != nullptr) ::munmap(std::exchange(data_, nullptr), std::exchange(size_, 0));
}

bool Mapping::punch(std::size_t offset, std::size_t size) const noexcept { return ::madvise(data_ + offset, size, MADV_REMOVE) == 0; }

}  // namespace ipc::os
