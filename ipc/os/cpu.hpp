#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace ipc::os {

/// CPUs of this machine that are online.
int online_cpus() noexcept;
/// CPUs that the calling thread may run on.
int allowed_cpus() noexcept;
/// The CPU that the calling thread runs on at this moment.
unsigned current_cpu() noexcept;
/// Has the kernel go on with this thread on another CPU of its affinity mask, now; false where there is no other. What it may
/// use later is as before.
bool leave_cpu() noexcept;

/// How many CPUs' worth of time the process's control groups grant, rounded up; nothing where they set no limit.
/// `root` stands for "/", so that tests can bring files of their own.
std::optional<int> cpu_quota(const std::string& root = "");
/// cgroup v2: "max 100000", or "150000 100000" for one and a half CPUs.
std::optional<int> parse_cpu_max(std::string_view text);

}  // namespace ipc::os
