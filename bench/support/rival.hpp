#pragma once

#include <atomic>
#include <functional>
#include <utility>

#include <ipc/process.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/value.hpp>

#include "bench/support/table.hpp"

namespace ipc::bench {

/// A second process that does the same as this one at the same time. Ended, with its parent, by the destructor.
class Rival {
 public:
  explicit Rival(std::function<void()> work) : work_(std::move(work)), process_({.daemon = true}, [this] { serve(); }) { process_.start(); }

  /// Both do it so often; seconds each time, over both. It should take longer than the scheduler needs to notice that there are
  /// two who can run (several of its slices of 3 ms), or they do it one after the other.
  double seconds(int count) const {
    count_.value() = count;
    start().store(0);
    go_.release();
    ready_.acquire();
    return time_each(1,
                     [&] {
                       start().store(1);
                       for (int i = 0; i < count; ++i) work_();
                       done_.acquire();
                     }) /
           (2 * count);
  }

 private:
  void serve() const {
    for (;;) {
      go_.acquire();
      const int count = count_.value();
      ready_.release();
      while (start().load() == 0) {
      }
      for (int i = 0; i < count; ++i) work_();
      done_.release();
    }
  }

  std::atomic_ref<int> start() const { return std::atomic_ref(start_.value()); }

  std::function<void()> work_;
  RawValue<int> count_;
  RawValue<int> start_;
  Semaphore go_{0};
  Semaphore ready_{0};
  Semaphore done_{0};
  Process process_;
};

}  // namespace ipc::bench
