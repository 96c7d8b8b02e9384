#include "ipc/os/timer_fd.hpp"

#include <sys/timerfd.h>

#include <algorithm>

#include "ipc/os/check.hpp"

namespace ipc::os {

Fd make_timer_fd() {
  return Fd(check("timerfd_create", [] { return ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); }));
}

void set_timer_fd(int fd, detail::Deadline deadline) {
  itimerspec when{};
  if (!deadline.is_never()) {
    // All zeros would disarm it.
    const auto left = std::max(deadline.remaining(), std::chrono::nanoseconds(1));
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = (left - seconds).count();
  }
  check("timerfd_settime", [&] { return ::timerfd_settime(fd, 0, &when, nullptr); });
}

}  // namespace ipc::os
