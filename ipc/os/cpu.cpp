#include "ipc/os/cpu.hpp"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <vector>

namespace ipc::os {
namespace {

std::optional<int> cpus_of(long long quota, long long period) {
  if (quota <= 0 || period <= 0) return std::nullopt;
  return static_cast<int>(std::clamp<long long>((quota + period - 1) / period, 1, 1 << 20));
}

std::optional<std::string> read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<long long> read_number(const std::string& path) {
  std::ifstream file(path);
  long long number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

bool lists(std::string_view comma_separated, std::string_view word) {
  for (;;) {
    const auto comma = comma_separated.find(',');
    if (comma_separated.substr(0, comma) == word) return true;
    if (comma == std::string_view::npos) return false;
    comma_separated.remove_prefix(comma + 1);
  }
}

// Where one hierarchy of control groups can be seen, and where in it this process is.
struct Hierarchy {
  bool v2 = false;
  std::string mount_root;  // The group that is mounted, seen from the hierarchy's top.
  std::string mount_point;
  std::string group;  // The group of this process, seen from the hierarchy's top.
};

// The path of this process's group in each hierarchy that could limit CPU time, from /proc/self/cgroup:
// "0::/user.slice" for v2, "4:cpu,cpuacct:/docker/x" for v1.
std::optional<std::string> group_path(const std::string& root, bool v2) {
  std::ifstream file(root + "/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string_view controllers = std::string_view(line).substr(first + 1, second - first - 1);
    if (v2 ? controllers.empty() && line.substr(0, first) == "0" : lists(controllers, "cpu")) return line.substr(second + 1);
  }
  return std::nullopt;
}

// From /proc/self/mountinfo: "36 35 0:30 /mounted/group /sys/fs/cgroup rw - cgroup2 cgroup rw" with more fields before
// the dash.
std::vector<Hierarchy> hierarchies(const std::string& root) {
  std::vector<Hierarchy> found;
  std::ifstream file(root + "/proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const auto dash = line.find(" - ");
    if (dash == std::string::npos) continue;
    std::istringstream before(line.substr(0, dash));
    std::istringstream after(line.substr(dash + 3));
    std::string skipped, type, options;
    Hierarchy hierarchy;
    before >> skipped >> skipped >> skipped >> hierarchy.mount_root >> hierarchy.mount_point;
    after >> type >> skipped >> options;
    hierarchy.v2 = type == "cgroup2";
    if (!hierarchy.v2 && !(type == "cgroup" && lists(options, "cpu"))) continue;
    const auto group = group_path(root, hierarchy.v2);
    if (!group) continue;
    hierarchy.group = *group;
    found.push_back(std::move(hierarchy));
  }
  return found;
}

std::optional<int> quota_in(const std::string& folder, bool v2) {
  if (v2) {
    const auto line = read_line(folder + "/cpu.max");
    return line ? parse_cpu_max(*line) : std::nullopt;
  }
  const auto quota = read_number(folder + "/cpu.cfs_quota_us");
  const auto period = read_number(folder + "/cpu.cfs_period_us");
  return quota && period ? cpus_of(*quota, *period) : std::nullopt;
}

}  // namespace

int online_cpus() noexcept { return std::max(1, static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN))); }

unsigned current_cpu() noexcept { return static_cast<unsigned>(::sched_getcpu()); }

namespace {

/// Calls `use(set, size)` with the calling thread's affinity mask; false when it cannot be had.
template <class Use>
bool with_affinity(Use use) noexcept {
  // The kernel refuses a set that is smaller than its own.
  for (std::size_t cpus = 1024; cpus <= (1u << 20); cpus *= 4) {
    cpu_set_t* set = CPU_ALLOC(cpus);
    if (set == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(cpus);
    const bool got = ::sched_getaffinity(0, size, set) == 0;
    const bool too_small = !got && errno == EINVAL;
    if (got) use(*set, size);
    CPU_FREE(set);
    if (got) return true;
    if (!too_small) break;
  }
  return false;
}

}  // namespace

int allowed_cpus() noexcept {
  int count = 0;
  with_affinity([&](const cpu_set_t& set, std::size_t size) { count = CPU_COUNT_S(size, &set); });
  return count > 0 ? count : online_cpus();
}

bool leave_cpu() noexcept {
  bool left = false;
  with_affinity([&](cpu_set_t& set, std::size_t size) {
    const unsigned here = current_cpu();
    if (CPU_COUNT_S(size, &set) < 2 || !CPU_ISSET_S(here, size, &set)) return;
    CPU_CLR_S(here, size, &set);
    left = ::sched_setaffinity(0, size, &set) == 0;
    CPU_SET_S(here, size, &set);
    ::sched_setaffinity(0, size, &set);
  });
  return left;
}

std::optional<int> parse_cpu_max(std::string_view text) {
  std::istringstream words{std::string(text)};
  long long quota = 0;
  long long period = 0;
  if (!(words >> quota >> period)) return std::nullopt;  // "max 100000" included.
  return cpus_of(quota, period);
}

std::optional<int> cpu_quota(const std::string& root) {
  std::optional<int> least;
  for (const Hierarchy& hierarchy : hierarchies(root)) {
    // What the mount shows of the path. In a container the group may lie outside of it: then the mount's top is ours.
    std::string group = hierarchy.group;
    if (hierarchy.mount_root != "/") {
      group = group.compare(0, hierarchy.mount_root.size(), hierarchy.mount_root) == 0 ? group.substr(hierarchy.mount_root.size()) : "";
    }
    if (group == "/") group.clear();
    // A group's limit holds for all below it.
    for (;;) {
      const auto quota = quota_in(root + hierarchy.mount_point + group, hierarchy.v2);
      if (quota && (!least || *quota < *least)) least = quota;
      if (group.empty()) break;
      group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
    }
  }
  return least;
}

}  // namespace ipc::os
