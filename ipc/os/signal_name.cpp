#include "ipc/os/signal_name.hpp"

#include <array>
#include <csignal>
#include <utility>

namespace ipc::os {

std::string signal_name(int signum) {
  // sigabbrev_np would know, but only from glibc 2.32 on.
  static constexpr std::array names{
      std::pair{SIGHUP, "SIGHUP"},   std::pair{SIGINT, "SIGINT"},   std::pair{SIGQUIT, "SIGQUIT"}, std::pair{SIGILL, "SIGILL"},
      std::pair{SIGTRAP, "SIGTRAP"}, std::pair{SIGABRT, "SIGABRT"}, std::pair{SIGBUS, "SIGBUS"},   std::pair{SIGFPE, "SIGFPE"},
      std::pair{SIGKILL, "SIGKILL"}, std::pair{SIGUSR1, "SIGUSR1"}, std::pair{SIGSEGV, "SIGSEGV"}, std::pair{SIGUSR2, "SIGUSR2"},
      std::pair{SIGPIPE, "SIGPIPE"}, std::pair{SIGALRM, "SIGALRM"}, std::pair{SIGTERM, "SIGTERM"}, std::pair{SIGCHLD, "SIGCHLD"},
      std::pair{SIGXCPU, "SIGXCPU"}, std::pair{SIGXFSZ, "SIGXFSZ"}, std::pair{SIGSYS, "SIGSYS"},   std::pair{SIGVTALRM, "SIGVTALRM"},
  };
  for (const auto& [number, name] : names) {
    if (number == signum) return name;
  }
  return "signal " + std::to_string(signum);
}

}  // namespace ipc::os
