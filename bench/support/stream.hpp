#pragma once

#include <functional>
#include <list>
#include <utility>
#include <vector>

#include <ipc/process.hpp>
#include <ipc/semaphore.hpp>
#include <ipc/value.hpp>

#include "bench/support/own_cpu.hpp"
#include "bench/support/table.hpp"

namespace ipc::bench {

/// Processes that stream items to each other, each at its own work. Ended, with their parent, by the destructor.
class Stream {
 public:
  using Work = std::function<void(int count)>;
  /// What a process does: `prepare`, in the process itself, makes its work.
  using Role = std::function<Work()>;

  /// Whether they take the CPUs one after the other, or all the first.
  enum class Cpus { own, one };
  explicit Stream(const std::vector<Role>& roles, Cpus cpus = Cpus::own) {
    for (const Role& role : roles) {
      workers_.emplace_back(role, cpus == Cpus::one ? 0 : static_cast<unsigned>(workers_.size()), count_, done_);
      workers_.back().process.start();
    }
    // A first round, so that everybody is connected to everybody.
    seconds(static_cast<int>(64 * roles.size()), static_cast<int>(roles.size() / 2));
  }

  /// `count` items altogether, shared out among as many producers, and as many consumers, as `sides` says; seconds each.
  double seconds(int count, int sides) const {
    count_.value() = count / sides;
    return time_each(1,
                     [&] {
                       for (const Worker& worker : workers_) worker.go.release();
                       for (std::size_t i = 0; i < workers_.size(); ++i) done_.acquire();
                     }) /
           count;
  }

 private:
  struct Worker {
    Worker(const Role& role, unsigned side, const RawValue<int>& count, const Semaphore& done)
        : process({.daemon = true}, [role, side, count, done, go = go] {
            stay_on_own_cpu(side);
            const Work work = role();
            for (;;) {
              go.acquire();
              work(count.value());
              done.release();
            }
          }) {}
    Semaphore go{0};
    Process process;
  };

  RawValue<int> count_;
  Semaphore done_{0};
  std::list<Worker> workers_;
};

}  // namespace ipc::bench
