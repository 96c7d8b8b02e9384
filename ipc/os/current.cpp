#include "ipc/os/current.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace ipc::os {

pid_t process_id() noexcept { return ::getpid(); }
pid_t parent_id() noexcept { return ::getppid(); }
pid_t thread_id() noexcept { return static_cast<pid_t>(::syscall(SYS_gettid)); }
void set_thread_name(const char* name) noexcept { ::prctl(PR_SET_NAME, name, 0, 0, 0); }

}  // namespace ipc::os
