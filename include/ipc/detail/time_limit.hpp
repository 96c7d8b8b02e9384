#pragma once

#include <chrono>

namespace ipc::detail {

/// A duration of any type, as an option: none at first. What is too long to represent (NaN included) is none, too.
class TimeLimit {
 public:
  constexpr TimeLimit() = default;
  template <class Rep, class Period>
  constexpr TimeLimit(std::chrono::duration<Rep, Period> limit) {  // NOLINT(google-explicit-constructor): `.timeout = 2s`
    using Wide = std::chrono::duration<long double, std::nano>;
    if (limit <= limit.zero())
      limit_ = std::chrono::nanoseconds::zero();
    else if (std::chrono::duration_cast<Wide>(limit) < Wide(std::chrono::nanoseconds::max()))
      limit_ = std::chrono::ceil<std::chrono::nanoseconds>(limit);
  }
  constexpr explicit operator bool() const noexcept { return limit_ != std::chrono::nanoseconds::max(); }
  /// `nanoseconds::max()` for none.
  constexpr std::chrono::nanoseconds get() const noexcept { return limit_; }

 private:
  std::chrono::nanoseconds limit_ = std::chrono::nanoseconds::max();
};

}  // namespace ipc::detail
