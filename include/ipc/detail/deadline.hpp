#pragma once

#include <algorithm>
#include <chrono>

namespace ipc::detail {

/// A point on the monotonic clock until which a call may wait: durations are turned into one at the door, so that a
/// retry inside does not start the clock again. A value; any thread may copy it.
class Deadline {
 public:
  using Clock = std::chrono::steady_clock;

  /// Waits for ever.
  static constexpr Deadline never() noexcept { return Deadline(Clock::time_point::max()); }
  /// Does not wait.
  static constexpr Deadline expired_already() noexcept { return Deadline(Clock::time_point::min()); }
  /// `d` from now; zero and negative do not wait, and what is too far to represent (NaN included) waits for ever.
  template <class Rep, class Period>
  static Deadline after(std::chrono::duration<Rep, Period> d) {
    if (d <= d.zero()) return expired_already();
    const auto now = Clock::now();
    using Wide = std::chrono::duration<long double, Clock::period>;
    if (!(std::chrono::duration_cast<Wide>(d) < Wide(Clock::time_point::max() - now))) return never();
    return Deadline(now + std::chrono::ceil<Clock::duration>(d));
  }

  static constexpr Deadline until(Clock::time_point at) noexcept { return Deadline(at); }

  constexpr bool is_never() const noexcept { return at_ == Clock::time_point::max(); }
  bool expired() const noexcept {
    if (is_never()) return false;
    return at_ == Clock::time_point::min() || Clock::now() >= at_;
  }
  /// Zero once expired; `nanoseconds::max()` for never.
  std::chrono::nanoseconds remaining() const noexcept {
    if (is_never()) return std::chrono::nanoseconds::max();
    if (at_ == Clock::time_point::min()) return std::chrono::nanoseconds::zero();
    // SUBTLE: the clock is read once. What has not expired at one reading may have at the next.
    return std::max<std::chrono::nanoseconds>(at_ - Clock::now(), std::chrono::nanoseconds::zero());
  }
  constexpr Clock::time_point at() const noexcept { return at_; }
  /// The nearer of two.
  friend constexpr Deadline earlier(Deadline a, Deadline b) noexcept { return a.at_ <= b.at_ ? a : b; }

 private:
  explicit constexpr Deadline(Clock::time_point at) noexcept : at_(at) {}
  Clock::time_point at_;
};

}  // namespace ipc::detail
