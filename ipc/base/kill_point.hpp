#pragma once

#include <atomic>
#include <csignal>
#include <string_view>

/// A named place at which a test can have its process killed, as if by chance: `IPC_KILL_POINT("semaphore.released");`
/// between a store to shared memory and the next. Nothing unless the build is for tests (IPC_TESTING).
#ifdef IPC_TESTING
#define IPC_KILL_POINT(name) ::ipc::base::pass_kill_point(name)
#else
#define IPC_KILL_POINT(name) static_cast<void>(0)
#endif

namespace ipc::base {

inline std::atomic<const char*> armed_kill_point{nullptr};
inline std::atomic<int> kill_countdown{0};

/// This process dies by SIGKILL when a thread of it passes the point `name` (of static storage) for the `nth` time from now.
inline void arm_kill_point(const char* name, int nth = 1) noexcept {
  kill_countdown.store(nth, std::memory_order_relaxed);
  armed_kill_point.store(name, std::memory_order_release);
}

inline void pass_kill_point(std::string_view name) noexcept {
  const char* armed = armed_kill_point.load(std::memory_order_acquire);
  if (armed == nullptr || name != armed) return;
  if (kill_countdown.fetch_sub(1, std::memory_order_relaxed) == 1) std::raise(SIGKILL);
}

}  // namespace ipc::base
