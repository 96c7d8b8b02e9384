#include <sched.h>

#include <filesystem>
#include <fstream>

#include "ipc/os/cpu.hpp"
#include "tests/process/children.hpp"

using namespace ipc;
using namespace ipc::test;
namespace fs = std::filesystem;

namespace {

// A file system's root with the files that describe control groups.
class Root {
 public:
  Root() {
    std::string name = fs::temp_directory_path() / "ipc-cpu-test-XXXXXX";
    path_ = ::mkdtemp(name.data());
  }
  Root(const Root&) = delete;
  Root& operator=(const Root&) = delete;
  ~Root() { fs::remove_all(path_); }
  Root& file(const std::string& path, const std::string& text) {
    const fs::path full = path_.string() + path;
    fs::create_directories(full.parent_path());
    std::ofstream(full) << text << '\n';
    return *this;
  }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

constexpr auto v2_mount = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate";

}  // namespace

TEST_CASE("cpu_count: at least one, and never less than what this process may use") {
  CHECK(process_cpu_count() >= 1);
  CHECK(cpu_count() >= process_cpu_count());
}

TEST_CASE("process_cpu_count: follows the affinity mask") {
  Process p([] {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(::sched_getcpu(), &one);
    ::sched_setaffinity(0, sizeof one, &one);
    return process_cpu_count();
  });
  p.start();
  p.join();
  CHECK(p.exitcode() == 1);
}

TEST_CASE("cpu quota: a part of a CPU counts as one") {
  CHECK(os::parse_cpu_max("150000 100000") == 2);
  CHECK(os::parse_cpu_max("200000 100000") == 2);
  CHECK(os::parse_cpu_max("1000 100000") == 1);
  CHECK_FALSE(os::parse_cpu_max("max 100000").has_value());
  CHECK_FALSE(os::parse_cpu_max("").has_value());
  CHECK_FALSE(os::parse_cpu_max("0 0").has_value());
}

TEST_CASE("cpu quota: the tightest limit of a group and those above it holds") {
  Root root;
  root.file("/proc/self/cgroup", "0::/a/b").file("/proc/self/mountinfo", v2_mount);
  CHECK_FALSE(os::cpu_quota(root.path()).has_value());
  root.file("/sys/fs/cgroup/a/b/cpu.max", "max 100000");
  CHECK_FALSE(os::cpu_quota(root.path()).has_value());
  root.file("/sys/fs/cgroup/a/b/cpu.max", "700000 100000");
  CHECK(os::cpu_quota(root.path()) == 7);
  root.file("/sys/fs/cgroup/a/cpu.max", "300000 100000");
  CHECK(os::cpu_quota(root.path()) == 3);
}

TEST_CASE("cpu quota: version 1 groups, and containers that see only their own part of the tree") {
  Root root;
  root.file("/proc/self/cgroup", "5:cpu,cpuacct:/docker/x\n0::/")
      .file("/proc/self/mountinfo", "31 24 0:27 /docker/x /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct")
      .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1")
      .file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000");
  CHECK_FALSE(os::cpu_quota(root.path()).has_value());
  root.file("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "250000");
  CHECK(os::cpu_quota(root.path()) == 3);
}
