#include "ipc/os/at_fork.hpp"

#include <pthread.h>

#include <system_error>

namespace ipc::os {

void at_fork(void (*prepare)(), void (*parent)(), void (*child)()) {
  const int error = ::pthread_atfork(prepare, parent, child);
  if (error != 0) throw std::system_error(error, std::generic_category(), "pthread_atfork");
}

}  // namespace ipc::os
