#pragma once

#include <ipc/detail/deadline.hpp>

#include "ipc/sync/lock.hpp"

namespace ipc::queues {

/// A lock for a scope. A predecessor's death leaves nothing behind that would have to be repaired at once.
class Hold {
 public:
  Hold(sync::LockState& lock, detail::Deadline deadline) : lock_(lock), held_(lock.acquire(deadline)) {}
  explicit Hold(sync::LockState& lock) : Hold(lock, detail::Deadline::never()) {}
  struct Try {};
  Hold(sync::LockState& lock, Try) : lock_(lock), held_(lock.try_acquire()) {}
  Hold(const Hold&) = delete;
  Hold& operator=(const Hold&) = delete;
  ~Hold() {
    if (held_) lock_.release();
  }
  explicit operator bool() const noexcept { return held_; }

 private:
  sync::LockState& lock_;
  bool held_;
};

}  // namespace ipc::queues
