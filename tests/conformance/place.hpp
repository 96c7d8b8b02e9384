#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <ipc/array.hpp>
#include <ipc/process.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/crew.hpp"

namespace ipc::test {

/// Where the bodies of a test run: in threads of this process, over one mapping (the only run that ThreadSanitizer can judge),
/// in forked processes, which inherit their arguments, or in new ones, to which the arguments travel.
enum class Place { threads, fork, spawn };
inline constexpr std::array places{Place::threads, Place::fork, Place::spawn};
inline const char* name_of(Place place) {
  return place == Place::threads ? "threads" : place == Place::fork ? "forked processes" : "spawned processes";
}

/// Runs bodies at the same time as the test. A body captures nothing: it gets copies of its arguments, handles among them, and
/// throws when something is not as it should be (`require`; Catch's macros belong to the test's own thread).
class Crew {
 public:
  explicit Crew(Place place) noexcept : place_(place) {}
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;
  /// Processes are killed by it, threads are waited for.
  ~Crew() {
    for (std::thread& thread : threads_) thread.join();
  }

  template <class F, class... Args>
  void start(F body, const Args&... args) {
    if (place_ == Place::threads) {
      failures_.push_back(std::make_unique<std::exception_ptr>());
      threads_.emplace_back([failure = failures_.back().get(), body, args...] {
        try {
          body(args...);
        } catch (...) {
          *failure = std::current_exception();
        }
      });
      return;
    }
    const auto method = place_ == Place::fork ? StartMethod::fork : StartMethod::spawn;
    processes_.emplace_back(ProcessOptions{.daemon = true, .start_method = method}, body, args...);
    processes_.back().start();
  }
  template <class F, class... Args>
  void start_many(int count, F body, const Args&... args) {
    for (int i = 0; i < count; ++i) start(body, args...);
  }
  /// Waits for all of them, and throws when one failed.
  void join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
    for (const auto& failure : failures_) {
      if (*failure) std::rethrow_exception(*failure);
    }
    for (Process& process : processes_) {
      process.join();
      if (process.exitcode() != 0) throw std::runtime_error("a process ended with " + std::to_string(process.exitcode().value_or(-999)));
    }
    processes_.clear();
  }

 private:
  Place place_;
  std::vector<std::thread> threads_;
  std::vector<std::unique_ptr<std::exception_ptr>> failures_;
  std::vector<Process> processes_;
};

/// What the bodies of a test tell each other, and it: counters that are no part of what is tried.
using Tally = RawArray<std::int64_t>;
inline Tally make_tally() { return Tally(16); }
/// Returns the sum.
inline std::int64_t add(const Tally& tally, std::size_t index, std::int64_t by = 1) {
  return std::atomic_ref(tally[index]).fetch_add(by) + by;
}
inline std::int64_t read(const Tally& tally, std::size_t index) { return std::atomic_ref(tally[index]).load(); }
inline void await(const Tally& tally, std::size_t index, std::int64_t at_least) {
  wait_until([&] { return read(tally, index) >= at_least; });
}

template <class F>
auto elapsed(F f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::steady_clock::now() - start;
}
/// As long as a test waits in vain.
inline constexpr std::chrono::milliseconds moment(20);

/// Whether `f()` throws an `E`; other exceptions pass.
template <class E, class F>
bool throws(F f) {
  try {
    f();
  } catch (const E&) {
    return true;
  }
  return false;
}

/// The tests of one contract, written once. A suite is a template over `Make`, which makes the objects that are tried, be they
/// in memory of ours or behind a manager's proxies:
///
///   make.lock() .rlock() .semaphore(n) .bounded_semaphore(n) .condition() .condition(lock) .event()
///   make.barrier(parties) .barrier(parties, timeout)
///   make.counting_barrier(parties, tally)      with an action that counts in tally[0]; `counts_in(place)`: whether it can
///   make.value<T>(initial) .array<T>(n) .array<T>(vector)
///
/// The tests bear CPython's names (SEMANTICS: test/_test_multiprocessing.py).
template <class Make>
struct Suite {
  Make make{};
  Place place = Place::threads;

  /// Runs one body elsewhere, to its end.
  template <class F, class... Args>
  void elsewhere(F body, const Args&... args) const {
    Crew crew(place);
    crew.start(body, args...);
    crew.join();
  }
};

/// Runs a test of a suite in every place.
template <class S>
void everywhere(void (S::*test)() const) {
  for (const Place place : places) {
    INFO(name_of(place));
    S suite;
    suite.place = place;
    (suite.*test)();
  }
}

}  // namespace ipc::test
