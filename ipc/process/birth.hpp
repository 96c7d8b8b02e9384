#pragma once

#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/start_method.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::process {

/// What happens to a process when the one that made it dies.
enum class Leash : std::uint8_t {
  none,    ///< It lives on.
  kernel,  ///< The kernel kills it with the thread that forked it, which therefore must be a main thread.
  watch,   ///< A thread of its own waits for the parent's end and kills the process.
};

/// The leash for a child that must not outlive this process, forked or spawned by the calling thread.
Leash tight_leash() noexcept;

/// How a process looks at its signals.
enum class Manners : std::uint8_t {
  inherited,  ///< As the process that forked it.
  fresh,      ///< Default action for what a fork server ignores, nothing blocked.
  worker,     ///< Ignores SIGINT, which a terminal sends to everybody: the parent decides. All else has its default action.
};

/// Everything that a new process must know of itself, whoever forks or spawns it.
struct Birth {
  std::string name;
  std::string lineage;
  bool daemon = false;
  pid_t parent_pid = 0;
  std::string parent_name;
  std::optional<StartMethod> start_method;  ///< What `start_method()` says in it.
  Leash leash = Leash::none;
  Manners manners = Manners::inherited;
  std::string folder;  ///< Where it works; empty: where the process that forked or spawned it does.

  void encode(detail::Writer& to) const;
  static Birth decode(detail::Reader& from);
};

/// A birth whose parent is this process.
Birth birth_here(std::string name, std::string lineage, bool daemon);

/// A birth of a worker, whose children are numbered after its name: those of "PoolWorker-3" are "Process-3:1"…
Birth worker_birth(const std::string& name, Leash leash);

/// The one sequence that every new process runs first: leash, signals, stdin, identity. `maker` is the process that
/// forked or spawned it; where that is not its parent, `parent_pidfd` is a descriptor for the parent.
void become(Birth birth, pid_t maker, Fd parent_pidfd = {});

/// Runs what the process is for and returns its exit status. An exception is reported on stderr, and is status 1.
int run_reporting(const std::function<int()>& work) noexcept;

/// Runs `work` and ends: for forked processes. The atexit handlers and static objects that they have inherited are the
/// parent's; their own run and are destroyed, after their children have been joined.
[[noreturn]] void live_and_exit(const std::function<int()>& work) noexcept;

}  // namespace ipc::process
