#pragma once

#include <sys/resource.h>

#include <functional>

#include <ipc/process.hpp>
#include <ipc/value.hpp>

namespace ipc::bench {

/// Seconds of processor time, user's and kernel's, that a process takes for `wait`, while this one does `meanwhile`.
inline double processor_seconds(
    const std::function<void()>& wait, const std::function<void()>& meanwhile = [] {}) {
  const RawValue<double> seconds;
  Process process({.daemon = true}, [&] {
    const auto used = [] {
      rusage usage{};
      ::getrusage(RUSAGE_SELF, &usage);
      const auto in_seconds = [](timeval t) { return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec); };
      return in_seconds(usage.ru_utime) + in_seconds(usage.ru_stime);
    };
    const double before = used();
    wait();
    seconds.value() = used() - before;
  });
  process.start();
  meanwhile();
  process.join();
  return seconds.value();
}

}  // namespace ipc::bench
