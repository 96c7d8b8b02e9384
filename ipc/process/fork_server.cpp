#include "ipc/process/fork_server.hpp"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

#include "ipc/os/current.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/signals.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/process/fork_loop.hpp"
#include "ipc/process/identity.hpp"
#include "ipc/process/spawned.hpp"

namespace ipc::process {
namespace {

// What the server's process runs. The message carries its end of the control socket.
int serve(detail::Message& message) {
  ForkLoop loop;
  loop.control = std::move(message.fds.at(0));
  loop.client_pidfd = os::open_parent_pidfd(identity().parent_pid);
  if (!loop.client_pidfd) return 0;
  loop.child_main = [](detail::Reader& head, detail::Message& body) { return run_entry(head.raw<detail::Token>(), body); };
  os::ignore_signal(SIGINT);
  os::set_thread_name("ipc-forkserver");
  loop.run();
}

struct ForkServer {
  explicit ForkServer(ForkServer* inherited_in) : inherited(inherited_in) {}

  const pid_t owner = os::process_id();
  ForkServer* const inherited;  // The parent's, so that leak checkers find what it holds.
  std::mutex mutex;             // Guards what follows: one request at a time.
  Fd control;
  Child process;

  bool alive() { return process && !process.poll(); }
  void start();
};

void ForkServer::start() {
  auto [ours, its] = os::packet_socket_pair();
  Birth birth = birth_here("ForkServer", "", false);
  birth.manners = Manners::fresh;
  std::vector<Fd> fds;
  fds.push_back(std::move(its));
  const auto address = reinterpret_cast<const void*>(&serve);
  process = spawn_child(birth, detail::token_of(address), {}, fds);
  control = std::move(ours);
}

// One a process, never destroyed: a fork finds its parent's, and leaves it alone.
std::atomic<ForkServer*> current{nullptr};

ForkServer& server() {
  ForkServer* ours = current.load(std::memory_order_acquire);  // SYNC POINT: server made
  if (ours != nullptr && ours->owner == os::process_id()) return *ours;
  auto* fresh = new ForkServer(ours);
  if (current.compare_exchange_strong(ours, fresh, std::memory_order_acq_rel)) return *fresh;  // SYNC POINT: server made
  delete fresh;
  return *ours;
}

}  // namespace

Child fork_server_child(Birth birth, detail::Token entry, std::span<const std::byte> body, std::span<const Fd> fds) {
  birth.folder = os::working_folder();  // The server's is the one that this process had when it was started.
  detail::Writer head;
  birth.encode(head);
  head.raw(entry);
  ForkServer& ours = server();
  const std::lock_guard lock(ours.mutex);
  if (!ours.alive()) ours.start();
  try {
    return request_child(ours.control.get(), ours.process.pidfd(), "The fork server", head.view(), body, fds);
  } catch (const ServerDied&) {  // It was killed just now; nothing has run.
    ours.process.wait(detail::Deadline::never());
    ours.start();
    return request_child(ours.control.get(), ours.process.pidfd(), "The fork server", head.view(), body, fds);
  }
}

pid_t fork_server_pid() {
  ForkServer& ours = server();
  const std::lock_guard lock(ours.mutex);
  return ours.alive() ? ours.process.pid() : 0;
}

}  // namespace ipc::process
