#include "ipc/os/fork_witness.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <system_error>

namespace ipc::os {
namespace {

constexpr std::size_t witness_size = 4096;

}  // namespace

ForkWitness::ForkWitness() {
  void* page = ::mmap(nullptr, witness_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
  page_ = static_cast<std::byte*>(page);
  if (::madvise(page, witness_size, MADV_WIPEONFORK) != 0) {
    const int error = errno;
    ::munmap(page, witness_size);
    throw std::system_error(error, std::generic_category(), "madvise(MADV_WIPEONFORK)");
  }
  *page_ = std::byte{1};
}

ForkWitness::~ForkWitness() { ::munmap(page_, witness_size); }

}  // namespace ipc::os
