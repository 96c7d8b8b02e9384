#include "ipc/os/descriptor_limit.hpp"

#include <sys/resource.h>

#include <algorithm>

namespace ipc::os {

void allow_descriptors(std::size_t count) noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= count) return;
  limit.rlim_cur = std::min<rlim_t>(count, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace ipc::os
