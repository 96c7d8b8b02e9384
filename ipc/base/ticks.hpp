#pragma once

#include <chrono>
#include <cstdint>

#if defined(__x86_64__) || defined(__i386__)
#include <x86intrin.h>
#endif

namespace ipc::base {

/// A clock for guesses about short times, read in a few nanoseconds. Ticks are of no fixed length and of no use for waiting.
inline std::uint64_t ticks() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  return __rdtsc();
#elif defined(__aarch64__)
  std::uint64_t now;
  asm volatile("mrs %0, cntvct_el0" : "=r"(now));
  return now;
#else
  return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

/// Some ten microseconds, up to a factor of two or so either way.
inline std::uint64_t ticks_in_ten_microseconds() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  return 30'000;  // These clocks run at 2 to 4 GHz.
#elif defined(__aarch64__)
  std::uint64_t frequency;
  asm volatile("mrs %0, cntfrq_el0" : "=r"(frequency));
  return frequency / 100'000;
#else
  return 10'000;
#endif
}

}  // namespace ipc::base
