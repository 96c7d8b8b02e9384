#include <algorithm>
#include <utility>

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

ChildProcess::ChildProcess(std::shared_ptr<process::Member> member)
    : ProcessInfo(member->name, member->child.pid(), member->daemon), member_(std::move(member)), owner_(os::process_id()) {}

process::Member& ChildProcess::usable() const {
  if (owner_ != os::process_id()) throw UsageError("A process can be used only by the process that created it.");
  return *member_;
}

std::optional<int> ChildProcess::exitcode() const { return usable().exitcode(); }
bool ChildProcess::ended_by(detail::Deadline deadline) const { return usable().child.wait(deadline).has_value(); }
void ChildProcess::signal(int signum) const { usable().child.signal(signum); }

std::vector<ChildProcess> active_children() {
  std::vector<ChildProcess> children;
  for (auto& member : process::living_children()) children.emplace_back(std::move(member));
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
