#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/fd.hpp>
#include <ipc/listener.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/manager/machine.hpp"
#include "ipc/manager/pool_keeper.hpp"
#include "ipc/os/epoll.hpp"
#include "ipc/transport/endpoint.hpp"
#include "ipc/transport/framing.hpp"
#include "ipc/transport/reception.hpp"

namespace ipc::manager {

struct ServerOptions {
  std::string address;
  std::optional<AuthKey> authkey;
  std::size_t max_message_size = 0;
  std::size_t max_connections = 0;
  std::chrono::nanoseconds greeting_timeout{};
  std::function<void()> initializer;
};

/// Throws `UsageError` for a TCP address without an authkey, `std::invalid_argument` for one that is none.
void require_key(const ServerOptions& options);

/// The loop around a `Machine`: one thread for all clients. It never waits for one of them: what a client does not read waits
/// in a buffer of its own, which holds one answer, because nothing more is read from it until that is gone.
class Server final : Outlet {
 public:
  /// Listens. Throws as `Listener`; `UsageError` for TCP without an authkey.
  explicit Server(ServerOptions options);
  ~Server() override;
  const std::string& address() const noexcept { return listening_.address; }
  /// Serves until a client ends it, or until `parent`, a descriptor for a process, is readable.
  void run(int parent = -1);

 private:
  struct Line {
    Fd socket;
    bool passes_descriptors = false;
    transport::FrameReader reader;
    std::vector<Fd> received_fds;
    Bytes unsent;  ///< The answer, from `sent` on.
    std::size_t sent = 0;
    std::vector<Fd> fds;  ///< That go with its first byte.
    os::Interest interest = os::Interest::readable;
    bool broken = false;
  };
  using Lines = std::unordered_map<ConnectionId, Line>;

  void send(ConnectionId to, detail::Writer& answer) override;
  void start_keeper(detail::ObjectId desk, detail::Writer& letter) override;
  void stop_keeper(detail::ObjectId desk) noexcept override { keepers_.stop(desk); }
  void welcome();
  void serve(ConnectionId id);
  bool receive(ConnectionId id, Line& line);
  bool flush(Line& line);
  void watch(ConnectionId id, Line& line, os::Interest interest);
  void hang_up(ConnectionId id);
  void bury();
  void expire();
  void set_timer();
  /// Tags of what is ready, at least one.
  std::size_t wait(std::span<std::uint64_t> tags);

  Keepers keepers_;  // First: its nursery has nothing of what follows.
  ServerOptions options_;
  detail::ServerId id_;
  transport::ListeningSocket listening_;
  transport::Reception reception_;
  os::Epoll epoll_;
  base::SpinBudget spin_;
  Fd timer_;
  Time timer_at_ = Time::max();
  bool welcoming_ = true;
  Lines lines_;
  std::vector<ConnectionId> broken_;
  std::deque<std::pair<Time, ConnectionId>> strangers_;  // When their time to greet is over.
  ConnectionId last_;
  Machine machine_;
};

}  // namespace ipc::manager
