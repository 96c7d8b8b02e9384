#include <algorithm>

#include <ipc/process.hpp>

#include "ipc/os/cpu.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/process/family.hpp"
#include "ipc/process/identity.hpp"

namespace ipc {

ProcessInfo current_process() {
  const auto& self = process::identity();
  return ProcessInfo(self.name, os::process_id(), self.daemon);
}

std::optional<ParentProcess> parent_process() {
  const auto& self = process::identity();
  if (self.parent_pid == 0) return std::nullopt;
  return ParentProcess(self.parent_name, self.parent_pid);
}

bool ParentProcess::ended_by(detail::Deadline deadline) const {
  const auto& self = process::identity();
  if (self.parent_pidfd) return os::wait_readable(self.parent_pidfd.get(), deadline);
  const Fd parent = os::open_parent_pidfd(pid_);
  return !parent || os::wait_readable(parent.get(), deadline);
}

std::vector<ProcessInfo> active_children() {
  std::vector<ProcessInfo> children;
  for (const auto& member : process::living_children()) children.emplace_back(member->name, member->child.pid(), member->daemon);
  return children;
}

int cpu_count() { return os::online_cpus(); }

int process_cpu_count() {
  const int allowed = os::allowed_cpus();
  return std::max(1, std::min(allowed, os::cpu_quota().value_or(allowed)));
}

StartMethod start_method() { return process::chosen_start_method().value_or(StartMethod::fork); }

void set_start_method(StartMethod method, bool force) {
  if (!process::choose_start_method(method, force)) {
    throw UsageError("The start method has been chosen before; pass force = true to change it.");
  }
}

}  // namespace ipc
