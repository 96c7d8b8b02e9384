#pragma once

#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fork_child.hpp"

namespace ipc::test {

/// Who carries out a suite: the threads of one process over one mapping (the only run that ThreadSanitizer can judge), or
/// forked processes. `run` has `size` of them run `body(index)` at the same time, and throws when one fails.
struct Threads {
  static void run(int size, const std::function<void(int)>& body) {
    std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));
    std::vector<std::thread> threads;
    for (int i = 0; i < size; ++i) {
      threads.emplace_back([&body, &failure = failures[static_cast<std::size_t>(i)], i] {
        try {
          body(i);
        } catch (...) {
          failure = std::current_exception();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& failure : failures) {
      if (failure) std::rethrow_exception(failure);
    }
  }
};

struct Processes {
  static void run(int size, const std::function<void(int)>& body) {
    std::vector<ForkedChild> children;
    for (int i = 0; i < size; ++i) children.emplace_back([&body, i] { body(i); });
    for (ForkedChild& child : children) {
      const int exitcode = child.wait();
      if (exitcode != 0) throw std::runtime_error("a child ended with " + std::to_string(exitcode));
    }
  }
};

/// In a crew's body, where Catch's macros cannot be used.
inline void require(bool holds, const char* what) {
  if (!holds) throw std::runtime_error(what);
}

}  // namespace ipc::test
