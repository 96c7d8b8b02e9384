#pragma once

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>

namespace ipc::test {

/// A forked process that runs a function and ends with what it returns (0 for void; 99 after an exception). Killed and
/// reaped by the destructor, and killed with its parent. For the rooms below `process`.
class ForkedChild {
 public:
  template <class F>
  explicit ForkedChild(F body) : pid_(::fork()) {
    if (pid_ < 0) throw std::system_error(errno, std::generic_category(), "fork");
    if (pid_ == 0) run(body);
  }
  ForkedChild(ForkedChild&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  ForkedChild& operator=(ForkedChild&& other) noexcept {
    std::swap(pid_, other.pid_);
    return *this;
  }
  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;
  ~ForkedChild() {
    if (pid_ != 0) {
      kill();
      wait();
    }
  }

  pid_t pid() const { return pid_; }
  void kill() { ::kill(pid_, SIGKILL); }
  /// Waits for its end: the exit status, or the negated signal.
  int wait() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }

 private:
  template <class F>
  [[noreturn]] static void run(F& body) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    int status = 0;
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<F&>>)
        body();
      else
        status = static_cast<int>(body());
    } catch (const std::exception& e) {
      std::fprintf(stderr, "forked child: %s\n", e.what());
      status = 99;
    }
    ::_exit(status);
  }

  pid_t pid_;
};

/// Waits until a state is reached; what never is, the watchdog ends.
template <class State>
void wait_until(State reached) {
  while (!reached()) std::this_thread::yield();
}

/// Waits until a thread (or the main thread of a process) sleeps in the kernel.
inline void wait_until_asleep(pid_t thread) {
  wait_until([&] {
    std::ifstream stat("/proc/" + std::to_string(thread) + "/stat");
    std::string text;
    std::getline(stat, text);
    const auto state = text.rfind(") ");
    return state != std::string::npos && text[state + 2] == 'S';
  });
}

}  // namespace ipc::test
