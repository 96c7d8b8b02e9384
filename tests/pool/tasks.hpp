#pragma once

#include <unistd.h>

#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include <ipc/process.hpp>

#include "tests/support/catch.hpp"

/// What the tests of the pool have it do, and what should come of it.
namespace ipc::test {

inline int square(int x) { return x * x; }
inline int multiply(int x, int y) { return x * y; }
inline int refuse_three(int x) {
  if (x == 3) throw std::invalid_argument("three is refused");
  return x;
}
/// Runs until the pool is terminated.
inline int for_ever(int) {
  for (;;) ::pause();
}
inline int slow(int x) {
  std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return x;
}
inline int own_pid(int) { return ::getpid(); }

inline std::vector<int> numbers(int n) {
  std::vector<int> all(static_cast<std::size_t>(n));
  std::iota(all.begin(), all.end(), 0);
  return all;
}
inline std::vector<int> squares(int n) {
  auto all = numbers(n);
  for (int& x : all) x *= x;
  return all;
}

/// Runs a test once for each.
inline StartMethod any_method() { return GENERATE(StartMethod::fork, StartMethod::spawn, StartMethod::forkserver); }
inline StartMethod fork_or_spawn() { return GENERATE(StartMethod::fork, StartMethod::spawn); }

}  // namespace ipc::test
