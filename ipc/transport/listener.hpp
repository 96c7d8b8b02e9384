#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include <ipc/connection.hpp>
#include <ipc/detail/wait_hook.hpp>
#include <ipc/listener.hpp>

#include "ipc/os/fork_witness.hpp"
#include "ipc/transport/endpoint.hpp"
#include "ipc/transport/reception.hpp"

namespace ipc::transport {

/// What a `Listener` hides. Any thread; in a forked child, the first use by one thread.
class ListenerCore {
 public:
  ListenerCore(std::string_view address, ListenerOptions options);
  ListenerCore(const ListenerCore&) = delete;
  ListenerCore& operator=(const ListenerCore&) = delete;
  ~ListenerCore();

  /// None only unless `block`.
  std::optional<Connection> accept(bool block);
  const std::string& address() const noexcept { return listening_.address; }
  std::string last_accepted();
  void close();
  int fileno();
  detail::WaitHook wait_hook();

 private:
  /// What one process has of it. A forked child gets its own, and leaves its parent's as the fork caught it: a mutex may be
  /// locked in it, and the epoll is shared.
  struct Process {
    Process(int listener, const ListenerOptions& options) : reception(listener, options) {}
    os::ForkWitness witness;
    std::mutex running;  // Held by whoever runs the reception.
    std::mutex naming;
    std::string last_accepted;
    Reception reception;
  };
  Process& process();
  bool ready();
  [[noreturn]] void fail_closed() const;
  Connection let_in(Newcomer newcomer) const;

  ListenerOptions options_;
  ListeningSocket listening_;
  std::unique_ptr<Process> process_;
  std::atomic<bool> closed_{false};
};

}  // namespace ipc::transport
