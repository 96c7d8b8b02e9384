#include <ipc/process.hpp>

#include <mutex>
#include <stdexcept>

#include "ipc/os/child.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/process/birth.hpp"
#include "ipc/process/family.hpp"
#include "ipc/process/fork_server.hpp"
#include "ipc/process/go_ahead.hpp"
#include "ipc/process/identity.hpp"
#include "ipc/process/spawned.hpp"

namespace ipc {
namespace process {

/// A target on its way to a process that is no copy of this one. What can only be moved is here, and no longer in the target.
struct Shipment {
  detail::Writer body;
  std::optional<detail::Token> entry;  // Once the body is complete.
};

}  // namespace process

using detail::Deadline;
using detail::ProcessTarget;
using process::Birth;
using process::Child;
using process::Member;
using process::Shipment;

struct Process::Core {
  const pid_t owner = os::process_id();
  const std::string lineage = process::next_lineage();
  std::optional<StartMethod> wanted_method;

  mutable std::mutex mutex;  // Guards what follows, and that only one thread starts it.
  std::string name;
  bool daemon = false;
  std::unique_ptr<ProcessTarget> target;
  std::unique_ptr<Shipment> shipment;  // Of the target, after a start that was to ship it and has failed.
  std::shared_ptr<Member> member;      // Once started; from then on it is only read, without the mutex.
  bool closed = false;

  /// In a process that inherited the object the mutex may be held by a thread which does not exist there; by the one that
  /// forked in `start()`, for a beginning. Such a process has one thread that could use it, and may only read.
  std::unique_lock<std::mutex> lock_here() const {
    return owner == os::process_id() ? std::unique_lock(mutex) : std::unique_lock<std::mutex>();
  }

  std::shared_ptr<Member> started() const {
    const std::lock_guard lock(mutex);
    if (closed) throw UsageError("The process object is closed.");
    return member;
  }
};

namespace {

/// Empty, it is made; what an earlier start has left, is completed.
void complete(std::unique_ptr<Shipment>& shipment, ProcessTarget& target) {
  if (shipment == nullptr) shipment = std::make_unique<Shipment>();
  if (shipment->entry) return;
  try {
    shipment->entry = target.ship(shipment->body);
  } catch (...) {
    if (shipment->body.size() == 0 && shipment->body.fds().empty()) shipment.reset();
    throw;
  }
}

Child start_by_fork(Birth birth, std::unique_ptr<ProcessTarget>& target, std::unique_ptr<Shipment>& shipment) {
  if (shipment != nullptr) complete(shipment, *target);
  auto [ours, its] = os::packet_socket_pair();
  const pid_t pid = os::fork_process();
  if (pid == 0) {
    process::live_and_exit([&, &ours = ours, &its = its] {
      ours.reset();
      const pid_t maker = birth.parent_pid;
      if (!process::may_go(its, os::open_parent_pidfd(maker))) return Child::unknown_exitcode;
      its.reset();
      process::become(std::move(birth), maker);
      if (shipment != nullptr) {
        detail::Message body = shipment->body.take();
        return process::run_entry(*shipment->entry, body);
      }
      // Destroyed here, so that what it holds is flushed and closed; the parent's other objects are not ours to destroy.
      const std::unique_ptr<ProcessTarget> own = std::move(target);
      return own->run();
    });
  }
  try {
    its.reset();
    Child child(pid, os::open_pidfd(pid));
    process::let_go(ours.get());
    return child;
  } catch (...) {
    os::discard_child(pid);
    throw;
  }
}

Child start_process(StartMethod method, Birth birth, std::unique_ptr<ProcessTarget>& target, std::unique_ptr<Shipment>& shipment) {
  if (birth.daemon) birth.leash = process::tight_leash();
  if (method == StartMethod::fork) return start_by_fork(std::move(birth), target, shipment);
  process::require_init();
  complete(shipment, *target);
  const detail::Writer& body = shipment->body;
  if (method == StartMethod::spawn) return process::spawn_child(birth, *shipment->entry, body.view(), body.fds());
  birth.manners = process::Manners::fresh;
  // The server's main thread forks it, and the server leaves when this process dies.
  if (birth.daemon) birth.leash = process::Leash::kernel;
  return process::fork_server_child(birth, *shipment->entry, body.view(), body.fds());
}

// It travels to the new process in one packet with other things.
std::string checked_name(std::string name) {
  if (name.size() > 4096) throw std::invalid_argument("A process's name may have 4096 characters.");
  return name;
}

}  // namespace

Process::Process() noexcept = default;

Process::Process(ProcessOptions options, std::unique_ptr<ProcessTarget> target) : core_(std::make_unique<Core>()) {
  core_->wanted_method = options.start_method;
  core_->name = options.name.empty() ? "Process-" + core_->lineage : checked_name(std::move(options.name));
  core_->daemon = options.daemon.value_or(process::identity().daemon);
  core_->target = std::move(target);
}

Process::Process(Process&& other) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    finish();
    core_ = std::move(other.core_);
  }
  return *this;
}

Process::~Process() { finish(); }

void Process::finish() noexcept {
  if (core_ == nullptr || core_->member == nullptr || core_->owner != os::process_id()) return;
  try {
    Child& child = core_->member->child;
    if (core_->daemon) child.signal(SIGTERM);
    child.wait(Deadline::never());
  } catch (const std::exception&) {  // It changed its user and cannot be signalled: nothing that a destructor could do.
  }
}

Process::Core& Process::existing() const {
  if (core_ == nullptr) throw UsageError("The process object is empty: it was moved from, or never given anything to run.");
  return *core_;
}

Process::Core& Process::usable() const {
  Core& core = existing();
  if (core.owner != os::process_id()) throw UsageError("A process can be used only by the process that created it.");
  return core;
}

void Process::start() {
  Core& core = usable();
  const std::lock_guard lock(core.mutex);
  if (core.closed) throw UsageError("The process object is closed.");
  if (core.member != nullptr) throw UsageError("A process cannot be started twice.");
  if (process::identity().daemon) {
    throw UsageError(
        "daemonic processes are not allowed to have children: a daemon is killed with its parent, and would leave them behind. Have "
        "that parent start them, or make the daemon with `.daemon = false`.");
  }
  process::living_children();  // Reaps those that have ended.
  Birth birth = process::birth_here(core.name, core.lineage, core.daemon);
  const StartMethod method = core.wanted_method.value_or(start_method());
  Child child = start_process(method, std::move(birth), core.target, core.shipment);
  core.member = std::make_shared<Member>(Member{core.name, core.daemon, method, std::move(child)});
  process::register_child(core.member);
  core.target.reset();
  core.shipment.reset();
}

void Process::join() { join_until(Deadline::never()); }

bool Process::join_until(Deadline deadline) {
  const auto member = usable().started();
  if (member == nullptr) throw UsageError("A process can be joined only after its start.");
  return member->child.wait(deadline).has_value();
}

bool Process::is_alive() const {
  const auto member = usable().started();
  return member != nullptr && !member->child.poll();
}

std::optional<int> Process::exitcode() const {
  const auto member = usable().started();
  if (member == nullptr) return std::nullopt;
  return member->exitcode();
}

std::optional<pid_t> Process::pid() const {
  const auto member = usable().started();
  if (member == nullptr) return std::nullopt;
  return member->child.pid();
}

std::string Process::name() const {
  Core& core = existing();
  const auto lock = core.lock_here();
  return core.name;
}

void Process::set_name(std::string name) {
  Core& core = usable();
  const std::lock_guard lock(core.mutex);
  core.name = checked_name(std::move(name));
}

bool Process::daemon() const {
  Core& core = existing();
  const auto lock = core.lock_here();
  return core.daemon;
}

void Process::set_daemon(bool daemon) {
  Core& core = usable();
  const std::lock_guard lock(core.mutex);
  if (core.closed) throw UsageError("The process object is closed.");
  if (core.member != nullptr) throw UsageError("A process becomes a daemon before its start, or not at all.");
  core.daemon = daemon;
}

void Process::interrupt() { signal(SIGINT, "interrupted"); }
void Process::terminate() { signal(SIGTERM, "terminated"); }
void Process::kill() { signal(SIGKILL, "killed"); }

void Process::signal(int signum, const char* verb) {
  const auto member = usable().started();
  if (member == nullptr) throw UsageError(std::string("A process can be ") + verb + " only after its start.");
  member->child.signal(signum);
}

void Process::close() {
  Core& core = usable();
  const std::lock_guard lock(core.mutex);
  if (core.member != nullptr && !core.member->child.poll()) {
    throw UsageError("A process cannot be closed while it runs: join() or terminate() it first.");
  }
  core.closed = true;
  core.target.reset();
  core.shipment.reset();
  core.member.reset();
}

int Process::sentinel() const {
  const auto member = usable().started();
  if (member == nullptr) throw UsageError("A process has a sentinel only after its start.");
  return member->child.pidfd();
}

}  // namespace ipc
