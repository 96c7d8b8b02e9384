#pragma once

#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/fd.hpp>

#include "ipc/os/pidfd.hpp"
#include "ipc/os/poll.hpp"

namespace ipc::test {

/// Processes that live when this begins.
class Watched {
 public:
  explicit Watched(const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) fds_.push_back(os::open_pidfd(pid));
  }
  /// Returns when all of them have ended.
  void wait_for_end() const {
    for (const Fd& fd : fds_) os::wait_readable(fd.get(), detail::Deadline::never());
  }

 private:
  std::vector<Fd> fds_;
};

}  // namespace ipc::test
