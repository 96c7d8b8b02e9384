#include "bench/support/table.hpp"

#include <sys/utsname.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace ipc::bench {
namespace {

constexpr int least_turns = 7;

struct Times {
  double median;
  double least;
};

Times summary(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds[seconds.size() / 2], seconds.front()};
}

/// 12.3 us (11.9): median and minimum.
std::string text(Times times) {
  struct Unit {
    const char* name;
    double seconds;
  };
  constexpr Unit units[] = {{"s ", 1}, {"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}};
  const Unit* unit = units;
  while (unit != std::end(units) - 1 && times.median < unit->seconds) ++unit;
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%.4g %s (%.4g)", times.median / unit->seconds, unit->name, times.least / unit->seconds);
  return buffer;
}

std::string wanted_text(double wanted) {
  char buffer[32] = "";
  if (wanted >= 1) std::snprintf(buffer, sizeof buffer, ">= %.3g x", wanted);
  if (wanted > 0 && wanted < 1) std::snprintf(buffer, sizeof buffer, ">= %.2f x", wanted);
  return buffer;
}

void print_turns(const std::string& name, std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  std::printf("  %-18s all turns, ns:", name.c_str());
  for (const double one : seconds) std::printf(" %.0f", 1e9 * one);
  std::printf("\n");
}

}  // namespace

Table::Table(std::string title) : turns_(least_turns) {
  if (const char* turns = std::getenv("IPC_BENCH_TURNS")) turns_ = std::max(turns_, std::atoi(turns));
  only_ = std::getenv("IPC_BENCH_ROW");
  all_turns_ = std::getenv("IPC_BENCH_SPREAD") != nullptr;
  utsname machine{};
  ::uname(&machine);
  std::printf("%s: %d turns, %u processors, Linux %s, compiler %s\n", title.c_str(), turns_, std::thread::hardware_concurrency(),
              machine.release, __VERSION__);
  std::printf("%-34s %-22s %-18s %-22s %9s %9s %10s\n", "what", "ipc: median (min)", "peer", "median (min)", "faster", "by min", "wanted");
}

void Table::row(const std::string& what, std::vector<Contender> contenders) {
  if (only_ != nullptr && what.find(only_) == std::string::npos) return;
  std::vector<std::vector<double>> seconds(contenders.size());
  for (int turn = -1; turn < turns_; ++turn) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      const double taken = contenders[i].seconds();
      if (turn >= 0) seconds[i].push_back(taken);
    }
  }
  const Times ours = summary(seconds[0]);
  if (contenders.size() == 1) std::printf("%-34s %-22s\n", what.c_str(), text(ours).c_str());
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    const Times theirs = summary(seconds[i]);
    const double faster = theirs.median / ours.median;
    const double wanted = contenders[i].wanted;
    std::printf("%-34s %-22s %-18s %-22s %7.2f x %7.2f x %10s%s\n", i == 1 ? what.c_str() : "", i == 1 ? text(ours).c_str() : "",
                contenders[i].name.c_str(), text(theirs).c_str(), faster, theirs.least / ours.least, wanted_text(wanted).c_str(),
                wanted > 0 && faster < wanted ? "  MISSED" : "");
  }
  if (all_turns_) {
    for (std::size_t i = 0; i < contenders.size(); ++i) print_turns(contenders[i].name, seconds[i]);
  }
  std::fflush(stdout);
}

double time_each(int count, const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() / count;
}

}  // namespace ipc::bench
