#include "ipc/process/nursery.hpp"

#include <chrono>
#include <exception>
#include <utility>

#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

#include "ipc/os/child.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/signals.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/process/birth.hpp"
#include "ipc/process/fork_loop.hpp"

namespace ipc::process {
namespace {

[[noreturn]] void nurse(Birth birth, Fd control, const std::function<int(detail::Message&)>& child_main) noexcept {
  ForkLoop loop;
  loop.kill_children = true;
  loop.child_main = [&child_main](detail::Reader&, detail::Message& body) { return child_main(body); };
  const int status = run_reporting([&] {
    loop.control = std::move(control);
    loop.client_pidfd = os::open_parent_pidfd(birth.parent_pid);
    if (!loop.client_pidfd) os::kill_self();
    const pid_t maker = birth.parent_pid;
    become(std::move(birth), maker);
    return 0;
  });
  if (status != 0) os::exit_now(status);
  os::set_thread_name("ipc-nursery");
  loop.run();
}

}  // namespace

Nursery::Nursery(const std::function<int(Message&)>& child_main, std::string name) : name_(std::move(name)), owner_(os::process_id()) {
  auto [ours, its] = os::packet_socket_pair();
  Birth birth = worker_birth(name_, Leash::none);  // Not the kernel's: that would watch the calling thread only.
  // A terminal's SIGINT must find the nursery either not there or ignoring it.
  const os::SignalBlock block;
  const pid_t pid = os::fork_process();
  if (pid == 0) {
    ours.reset();
    nurse(std::move(birth), std::move(its), child_main);
  }
  try {
    process_ = Child(pid, os::open_pidfd(pid));
  } catch (...) {
    os::discard_child(pid);
    throw;
  }
  control_ = std::move(ours);
}

Nursery::~Nursery() {
  if (os::process_id() != owner_) return;
  try {
    request_leave(control_.get());
    // It kills and reaps its children first. Should it not (it is stopped, or a child is stuck in the kernel), then the
    // children die with it, and whoever adopts them reaps them.
    if (process_.wait(detail::Deadline::after(std::chrono::seconds(5)))) return;
    process_.signal(SIGKILL);
    process_.wait(detail::Deadline::never());
  } catch (const std::exception&) {  // Its end is all that was wanted.
  }
}

Child Nursery::launch(const std::string& child_name, const Message& request) {
  detail::Writer head;
  worker_birth(child_name, Leash::kernel).encode(head);
  const std::lock_guard lock(mutex_);
  return request_child(control_.get(), process_.pidfd(), "The nursery process", head.view(), request.bytes, request.fds);
}

}  // namespace ipc::process
