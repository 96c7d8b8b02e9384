#pragma once

#include <atomic>
#include <cstdint>

#include <ipc/detail/deadline.hpp>

namespace ipc::os {

/// The kernel's wait queue behind a 32-bit word. Always the shared kind (never FUTEX_PRIVATE_FLAG): the word is found by
/// the page it lies on, so that processes which map it at different addresses meet. Any thread of any process.

enum class FutexResult {
  woken,      ///< By a `futex_wake`, by a signal, or for no reason at all: the caller looks at its condition again.
  changed,    ///< The word was not `expected` any more; nothing was waited for.
  timed_out,  ///< The deadline has passed.
};

/// Sleeps while `word` is `expected`. The kernel compares and goes to sleep in one step with respect to `futex_wake`.
FutexResult futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, detail::Deadline deadline);

/// As `futex_wait`, but for at most 200 ms: the sleep of everything that another process is to end. A notifier may be
/// killed between its store and its wake; its sleepers then look again after this time instead of never.
FutexResult futex_wait_slice(const std::atomic<std::uint32_t>& word, std::uint32_t expected, detail::Deadline deadline);

/// Wakes at most `count` sleepers; returns how many there were. Never fails on a mapped word.
int futex_wake(std::atomic<std::uint32_t>& word, int count) noexcept;

/// For `count`: everybody.
inline constexpr int wake_all = 0x7fffffff;

}  // namespace ipc::os
