#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ipc/detail/start_method.hpp>

#include "ipc/process/child.hpp"

namespace ipc::process {

/// What the family knows of a started process. Shared by the `Process` that started it and the register.
struct Member {
  std::string name;
  bool daemon = false;
  StartMethod method = StartMethod::fork;
  Child child;

  /// What users are told: of a lost status nothing, but of a fork server's child 255.
  std::optional<int> exitcode() {
    const auto code = child.poll();
    return code && child.status_lost() && method != StartMethod::forkserver ? std::nullopt : code;
  }
};

/// The register of the processes that this process has started and not yet seen the end of. It belongs to one process:
/// after a fork, whoever made it, the copy in the child is empty. Any thread may use it.
void register_child(std::shared_ptr<Member> member);
/// Forgets those that have ended; returns the others in the order of their start.
std::vector<std::shared_ptr<Member>> living_children();

/// What every process does at its normal end, once: daemons are terminated, then all children are joined. Registered
/// with `std::atexit` by the first `register_child`; processes that end by `_exit` call it themselves.
void leave_family() noexcept;

}  // namespace ipc::process
