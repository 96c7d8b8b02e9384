#include "ipc/os/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <ctime>
#include <system_error>

namespace ipc::os {
namespace {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

timespec to_timespec(detail::Deadline::Clock::time_point at) {
  // steady_clock is CLOCK_MONOTONIC in libstdc++ and libc++, and its epoch the kernel's.
  const auto since_boot = at.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_boot);
  timespec out{};
  out.tv_sec = static_cast<time_t>(seconds.count());
  out.tv_nsec = static_cast<long>(std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot - seconds).count());
  return out;
}

}  // namespace

FutexResult futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, detail::Deadline deadline) {
  if (!deadline.is_never() && deadline.expired()) return FutexResult::timed_out;
  timespec at{};
  const timespec* timeout = nullptr;
  if (!deadline.is_never()) {
    at = to_timespec(deadline.at());
    timeout = &at;
  }
  // The bitset form takes an absolute time on the monotonic clock: a repeated call does not start the wait again.
  const long result = ::syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, expected, timeout, nullptr, FUTEX_BITSET_MATCH_ANY);
  if (result == 0 || errno == EINTR) return FutexResult::woken;
  if (errno == EAGAIN) return FutexResult::changed;
  if (errno == ETIMEDOUT) return FutexResult::timed_out;
  throw std::system_error(errno, std::generic_category(), "futex(FUTEX_WAIT_BITSET)");
}

FutexResult futex_wait_slice(const std::atomic<std::uint32_t>& word, std::uint32_t expected, detail::Deadline deadline) {
  const auto slice = detail::Deadline::after(std::chrono::milliseconds(200));
  const FutexResult result = futex_wait(word, expected, earlier(slice, deadline));
  if (result == FutexResult::timed_out && (deadline.is_never() || !deadline.expired())) return FutexResult::woken;
  return result;
}

int futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept {
  const int saved = errno;  // A notifier's caller need not expect errno to change.
  const long woken = ::syscall(SYS_futex, &word, FUTEX_WAKE, count, nullptr, nullptr, 0);
  errno = saved;
  return woken < 0 ? 0 : static_cast<int>(woken);
}

}  // namespace ipc::os
