#pragma once

#include <sched.h>

#include <vector>

namespace ipc::bench {

/// Has the calling process stay on one CPU: number `side` of those that it may use, round and round. Two that wake each other are put
/// on one CPU by the kernel, or on two, as it likes, and what then is measured is one CPU's work for both, or the way between two:
/// so all contenders say which of them is where. To be called by a process that has one thread, before it makes others.
inline void stay_on_own_cpu(unsigned side) {
  static const std::vector<int> allowed = [] {
    std::vector<int> cpus;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof set, &set) == 0) {
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
      }
    }
    return cpus;
  }();
  if (allowed.empty()) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(allowed[side % allowed.size()], &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

}  // namespace ipc::bench
