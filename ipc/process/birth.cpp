#include "ipc/process/birth.hpp"

#include <exception>
#include <thread>
#include <utility>

#include <ipc/detail/exception.hpp>

#include "ipc/os/child.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/signals.hpp"
#include "ipc/os/stdio.hpp"
#include "ipc/process/family.hpp"
#include "ipc/process/identity.hpp"
#include "ipc/shm/created_name.hpp"

namespace ipc::process {
namespace {

void put_text(detail::Writer& to, const std::string& text) {
  to.raw(static_cast<std::uint64_t>(text.size()));
  to.bytes(text.data(), text.size());
}

std::string take_text(detail::Reader& from) {
  const std::size_t size = from.count(1);
  return std::string(reinterpret_cast<const char*>(from.take(size)), size);
}

void die_with(Fd parent) {
  const os::SignalBlock block;  // Inherited by the thread: signals are for the others.
  std::thread([parent = std::move(parent)] {
    os::wait_readable(parent.get(), detail::Deadline::never());
    os::kill_self();
  }).detach();
}

void put_on_leash(const Birth& birth, pid_t maker, const Fd& parent_pidfd) {
  if (birth.leash == Leash::kernel) os::die_with_parent(maker);
  if (birth.leash == Leash::watch) {
    Fd parent = parent_pidfd ? parent_pidfd.duplicate() : os::open_parent_pidfd(birth.parent_pid);
    if (!parent) os::kill_self();
    die_with(std::move(parent));
  }
}

}  // namespace

Leash tight_leash() noexcept { return os::is_main_thread() ? Leash::kernel : Leash::watch; }

void Birth::encode(detail::Writer& to) const {
  put_text(to, name);
  put_text(to, lineage);
  to.raw(daemon);
  to.raw(parent_pid);
  put_text(to, parent_name);
  to.raw(static_cast<std::int8_t>(start_method ? static_cast<std::int8_t>(*start_method) : -1));
  to.raw(leash);
  to.raw(manners);
  put_text(to, folder);
}

Birth Birth::decode(detail::Reader& from) {
  Birth birth;
  birth.name = take_text(from);
  birth.lineage = take_text(from);
  birth.daemon = from.raw<bool>();
  birth.parent_pid = from.raw<pid_t>();
  birth.parent_name = take_text(from);
  const auto method = from.raw<std::int8_t>();
  if (method >= 0) birth.start_method = static_cast<StartMethod>(method);
  birth.leash = from.raw<Leash>();
  birth.manners = from.raw<Manners>();
  birth.folder = take_text(from);
  return birth;
}

Birth birth_here(std::string name, std::string lineage, bool daemon) {
  Birth birth;
  birth.name = std::move(name);
  birth.lineage = std::move(lineage);
  birth.daemon = daemon;
  birth.parent_pid = os::process_id();
  birth.parent_name = identity().name;
  birth.start_method = chosen_start_method();
  return birth;
}

Birth worker_birth(const std::string& name, Leash leash) {
  const auto dash = name.rfind('-');
  Birth birth = birth_here(name, dash == std::string::npos ? std::string() : name.substr(dash + 1), false);
  birth.leash = leash;
  birth.manners = Manners::worker;
  return birth;
}

void become(Birth birth, pid_t maker, Fd parent_pidfd) {
  put_on_leash(birth, maker, parent_pidfd);
  if (birth.manners == Manners::worker) os::drop_signal_handlers();
  if (birth.manners != Manners::inherited) {
    os::default_signal(SIGTERM);
    birth.manners == Manners::worker ? os::ignore_signal(SIGINT) : os::default_signal(SIGINT);
    os::unblock_all_signals();
  }
  if (!birth.folder.empty()) os::work_in(birth.folder.c_str());
  os::detach_stdin();
  Identity self;
  self.name = std::move(birth.name);
  self.lineage = std::move(birth.lineage);
  self.daemon = birth.daemon;
  self.parent_pid = birth.parent_pid;
  self.parent_name = std::move(birth.parent_name);
  self.parent_pidfd = std::move(parent_pidfd);
  assume_identity(std::move(self), birth.start_method);
}

int run_reporting(const std::function<int()>& work) noexcept {
  try {
    try {
      return work();
    } catch (...) {
      os::write_to_stderr("Process " + identity().name + ": " + detail::describe_current_exception() + "\n");
    }
  } catch (...) {
    os::write_to_stderr("Process: no memory to say which exception ended it\n");
  }
  return 1;
}

void live_and_exit(const std::function<int()>& work) noexcept {
  os::disown_inherited_exit_handlers([]() noexcept {
    leave_family();
    shm::leave_created_names();
  });
  const int status = run_reporting(work);
  leave_family();
  os::exit_after_handlers(status);
}

}  // namespace ipc::process
