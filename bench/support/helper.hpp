#pragma once

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "bench/support/own_cpu.hpp"

namespace ipc::bench {

/// A process that runs until it is killed with this one, on the second CPU: whoever measures it stays on the first.
class Helper {
 public:
  template <class F>
  explicit Helper(F body) : pid_(::fork()) {
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    stay_on_own_cpu(1);
    try {
      body();
    } catch (...) {
    }
    ::_exit(0);
  }
  Helper(const Helper&) = delete;
  Helper& operator=(const Helper&) = delete;
  ~Helper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_;
};

}  // namespace ipc::bench
