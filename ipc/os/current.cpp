#include "ipc/os/current.hpp"

#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <cstring>

namespace ipc::os {

pid_t process_id() noexcept { return ::getpid(); }
pid_t parent_id() noexcept { return ::getppid(); }
pid_t thread_id() noexcept { return static_cast<pid_t>(::syscall(SYS_gettid)); }
void set_thread_name(const char* name) noexcept { ::prctl(PR_SET_NAME, name, 0, 0, 0); }

std::string working_folder() {
  std::string folder(PATH_MAX, '\0');
  // What is outside of this process's root is spelled without a leading slash.
  if (::getcwd(folder.data(), folder.size()) == nullptr || folder.front() != '/') return {};
  folder.resize(std::strlen(folder.c_str()));
  return folder;
}

void work_in(const char* folder) noexcept { [[maybe_unused]] const int failed = ::chdir(folder); }

}  // namespace ipc::os
