#pragma once

#include <chrono>
#include <csignal>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/invoke.hpp>
#include <ipc/detail/process_target.hpp>
#include <ipc/detail/start_method.hpp>

namespace ipc {

namespace process {
struct Member;
}  // namespace process

struct ProcessOptions {
  std::string name = {};                         ///< "Process-1"… when empty.
  std::optional<bool> daemon = {};               ///< As the process that creates it, when not given.
  std::optional<StartMethod> start_method = {};  ///< `start_method()` at the time of `start()`, when not given.
};

/// A process that runs a callable, with the interface of `multiprocessing.Process`.
///
///   ipc::Process p(work, 1, "two");
///   p.start();
///   p.join();
///
/// The destructor behaves as `std::jthread`'s: it waits for the process, and terminates a daemon first. An exception
/// that leaves the callable is printed as `Process NAME: TYPE: WHAT`, and the exit code is 1.
/// With fork, the callable and the arguments may be of any types that can be moved: `start()` finds out whether they can go to
/// a process of another kind. Only a `serialize` has to compile anyway: without raw pointers, and with a default constructor.
/// A forked process ends with what it registered itself for its exit (`std::atexit`), not with what it inherited.
/// A daemon is terminated when this process ends, and killed when this process is.
///
/// Move-only. Any thread of the process that created the object may call anything at any time, except that moving,
/// assigning and destroying it exclude all else; one may be in `join()` while another calls `terminate()`. In a process
/// that inherited the object by a fork it cannot be used, and destroying it there does nothing.
/// Misuse is `UsageError`; so is every use after `close()`, and of an empty (moved-from) object.
class Process {
 public:
  /// An empty one, to be assigned to.
  Process() noexcept;
  /// Copies or moves the callable and the arguments; nothing runs yet. The number in the name is taken now.
  template <class F, class... Args>
  requires(!std::is_same_v<std::decay_t<F>, Process> && !std::is_same_v<std::decay_t<F>, ProcessOptions>) explicit Process(F&& f,
                                                                                                                           Args&&... args)
      : Process(ProcessOptions{}, std::forward<F>(f), std::forward<Args>(args)...) {}
  template <class F, class... Args>
  explicit Process(ProcessOptions options, F&& f, Args&&... args)
      : Process(std::move(options),
                std::unique_ptr<detail::ProcessTarget>(std::make_unique<detail::ProcessTargetOf<std::decay_t<F>, std::decay_t<Args>...>>(
                    std::forward<F>(f), std::forward<Args>(args)...))) {}
  Process(Process&& other) noexcept;
  Process& operator=(Process&& other) noexcept;
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;
  ~Process();

  /// Starts the process, once. This one's copies of the callable and the arguments are destroyed when it returns. Throws
  /// `NotShippable` if the start method is not fork and they cannot be sent, `std::system_error` if there can be no more
  /// processes or descriptors: then nothing has run, and the object can be started again.
  void start();
  /// Waits for its end.
  void join();
  /// Waits for its end at most this long, and returns whether it has ended. Zero or negative only asks.
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) {
    return join_until(detail::Deadline::after(timeout));
  }
  /// False before the start.
  bool is_alive() const;
  /// Nothing before the end; then the exit status, or the negated number of the signal that killed it. Nothing if somebody
  /// else took the status from the kernel (a `waitpid(-1)`, an ignored SIGCHLD); 255 if its fork server was killed.
  std::optional<int> exitcode() const;
  /// Nothing before the start.
  std::optional<pid_t> pid() const;
  std::string name() const;
  void set_name(std::string name);
  bool daemon() const;
  /// Before the start only.
  void set_daemon(bool daemon);
  /// SIGINT.
  void interrupt();
  /// SIGTERM. Nothing is cleaned up there, and its own children are not terminated. No error if it has ended.
  void terminate();
  /// SIGKILL.
  void kill();
  /// Releases what belongs to it, now. `UsageError` while it runs. May be called again.
  void close();
  /// A descriptor that is readable once the process has ended, for poll and the like. It belongs to this object.
  int sentinel() const;

 private:
  struct Core;
  Process(ProcessOptions options, std::unique_ptr<detail::ProcessTarget> target);
  bool join_until(detail::Deadline deadline);
  void signal(int signum, const char* verb);
  Core& usable() const;
  Core& existing() const;
  void finish() noexcept;

  std::unique_ptr<Core> core_;
};

/// Who a process is.
class ProcessInfo {
 public:
  ProcessInfo(std::string name, pid_t pid, bool daemon) : name_(std::move(name)), pid_(pid), daemon_(daemon) {}
  const std::string& name() const noexcept { return name_; }
  pid_t pid() const noexcept { return pid_; }
  bool daemon() const noexcept { return daemon_; }

 private:
  std::string name_;
  pid_t pid_;
  bool daemon_;
};

/// A process that this one has started, whoever has the `Process`. Copies are handles of the same process; destroying one
/// does nothing to it. Any thread of the process that got it from `active_children`; elsewhere it is `UsageError`.
class ChildProcess : public ProcessInfo {
 public:
  explicit ChildProcess(std::shared_ptr<process::Member> member);
  bool is_alive() const { return !ended_by(detail::Deadline::expired_already()); }
  /// As `Process::exitcode`.
  std::optional<int> exitcode() const;
  void join() const { ended_by(detail::Deadline::never()); }
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) const {
    return ended_by(detail::Deadline::after(timeout));
  }
  void interrupt() const { signal(SIGINT); }
  void terminate() const { signal(SIGTERM); }
  void kill() const { signal(SIGKILL); }

 private:
  process::Member& usable() const;
  bool ended_by(detail::Deadline deadline) const;
  void signal(int signum) const;

  std::shared_ptr<process::Member> member_;
  pid_t owner_;
};

/// The process that started this one. Any thread.
class ParentProcess {
 public:
  ParentProcess(std::string name, pid_t pid) : name_(std::move(name)), pid_(pid) {}
  const std::string& name() const noexcept { return name_; }
  pid_t pid() const noexcept { return pid_; }
  bool is_alive() const { return !ended_by(detail::Deadline::expired_already()); }
  void join() const { ended_by(detail::Deadline::never()); }
  template <class Rep, class Period>
  bool join(std::chrono::duration<Rep, Period> timeout) const {
    return ended_by(detail::Deadline::after(timeout));
  }

 private:
  bool ended_by(detail::Deadline deadline) const;

  std::string name_;
  pid_t pid_;
};

ProcessInfo current_process();
/// Nothing in a process that this library did not start.
std::optional<ParentProcess> parent_process();
/// The processes that this one has started and that have not ended, in the order of their start.
std::vector<ChildProcess> active_children();

/// CPUs of this machine.
int cpu_count();
/// CPUs that this process can use: its affinity mask, and the quota of its control group rounded up; at least 1.
int process_cpu_count();

/// How processes are started that do not say it themselves: fork, unless chosen otherwise here or in the process that
/// started this one.
StartMethod start_method();
/// To be called once. Throws `UsageError` if a method was chosen before, unless with `force`.
void set_start_method(StartMethod method, bool force = false);

}  // namespace ipc
