#include "ipc/manager/launch.hpp"

#include <array>
#include <csignal>
#include <exception>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/exception.hpp>
#include <ipc/detail/throw_probe.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/remote_store.hpp"
#include "ipc/os/child.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/descriptor_limit.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/signals.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/process/birth.hpp"
#include "ipc/process/identity.hpp"

namespace ipc::manager {
namespace {

/// What the server tells of its beginning.
enum class Start : std::uint8_t { listening, failed };

int serve_as(process::Birth birth, const Fd& starter, const ServerOptions& options) {
  const pid_t parent = birth.parent_pid;
  process::become(std::move(birth), parent);
  // What the parent's threads had of other managers is not this process's.
  RemoteStore::abandon_all();
  const Fd watched = os::open_parent_pidfd(parent);
  if (!watched) return 1;
  os::set_thread_name("ipc-manager");
  detail::trace_throws(true);
  detail::Writer news;
  std::unique_ptr<Server> server;
  try {
    if (options.initializer) options.initializer();
    server = std::make_unique<Server>(options);
    // Each connection may have a socket, a doorbell and memory. The server's children were forked from what is before this.
    os::allow_descriptors(3 * options.max_connections + 256);
    news.raw(Start::listening);
    detail::encode(news, server->address());
  } catch (...) {
    news.raw(Start::failed);
    detail::encode_exception(news, std::current_exception(), process::identity().name, os::process_id());
  }
  os::send_packet(starter.get(), news.view());
  if (server == nullptr) return 1;
  server->run(watched.get());
  return 0;
}

}  // namespace

LaunchedServer launch_server(const ServerOptions& options) {
  require_key(options);
  auto sockets = os::packet_socket_pair();
  Fd ours = std::move(sockets.first);
  Fd its = std::move(sockets.second);
  process::Birth birth = process::worker_birth("Manager-" + process::next_lineage(), process::Leash::none);
  // A terminal's SIGINT must find the server either not there or ignoring it.
  const os::SignalBlock block;
  const pid_t pid = os::fork_process();
  if (pid == 0) {
    ours.reset();
    process::live_and_exit([&] { return serve_as(std::move(birth), its, options); });
  }
  LaunchedServer launched;
  try {
    launched.process = process::Child(pid, os::open_pidfd(pid));
  } catch (...) {
    os::discard_child(pid);
    throw;
  }
  its.reset();
  std::array<std::byte, 8192> buffer;
  std::vector<Fd> none;
  const auto packet = os::receive_packet(ours.get(), buffer, none);
  if (packet.status != os::ReceiveStatus::received) {
    launched.process.signal(SIGKILL);
    launched.process.wait(detail::Deadline::never());
    throw ManagerLost("The manager's server process ended before it could serve.");
  }
  const std::span<const std::byte> told(buffer.data(), packet.size);
  detail::Reader news(told);
  if (news.raw<Start>() == Start::failed) {
    launched.process.wait(detail::Deadline::never());
    std::rethrow_exception(detail::decode_exception(news));
  }
  launched.address = detail::decode<std::string>(news);
  return launched;
}

}  // namespace ipc::manager
