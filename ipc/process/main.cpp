#include <ipc/main.hpp>

#include <string_view>

#include "ipc/os/spawn.hpp"
#include "ipc/process/spawned.hpp"

namespace ipc {

void init(int argc, char** argv) {
  process::remember_init(argc > 0 ? argv[0] : nullptr);
  if (argc == 3 && argv[1] == std::string_view(process::spawned_argument) && argv[2] == std::to_string(os::spawned_fd)) {
    process::live_spawned(Fd(os::spawned_fd));
  }
}

}  // namespace ipc
