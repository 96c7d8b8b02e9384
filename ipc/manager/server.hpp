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
#include "ipc/manager/client_line.hpp"
#include "ipc/manager/machine.hpp"
#include "ipc/manager/pool_keeper.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/epoll.hpp"
#include "ipc/transport/endpoint.hpp"
#include "ipc/transport/reception.hpp"
#include "ipc/transport/tls.hpp"

namespace ipc::manager {

struct ServerOptions {
  std::string address;
  std::optional<AuthKey> authkey;
  TlsOptions certificates;                           ///< Of `tls`, for pools.
  std::shared_ptr<const transport::TlsContext> tls;  ///< None: what is said over TCP is not encrypted.
  std::size_t max_message_size = 0;
  std::size_t max_connections = 0;
  std::chrono::nanoseconds greeting_timeout{};
  std::chrono::nanoseconds host_timeout{};
  std::function<void()> initializer;
};

/// Throws `UsageError` for a TCP address without an authkey and for TLS at another address, `std::invalid_argument` for one that
/// is none.
void require_key(const ServerOptions& options);

/// The loop around a `Machine`: one thread for all clients. It never waits for one of them: what a client does not read waits
/// in a buffer of its own, which holds one answer, because nothing more is read from it until that is gone.
///
/// Of the clients that have rings, those who have just said something are *lively*: they are looked at in turns, without a
/// system call. Whoever says nothing for a while is asked to ring its doorbell next time; so are all before the server sleeps.
/// So are those whose next request is already in what TLS has read.
///
/// Kernels, on virtual machines above all, like to put two that wake each other on one CPU, where each call costs two changes of
/// context. A server that sees itself there with all who talk to it goes to another CPU that it may use, and from then on both
/// sides may spin; where it finds no peace there either, it tries that ever more rarely.
class Server final : Outlet {
 public:
  /// Listens. Throws as `Listener`; `UsageError` for TCP without an authkey.
  explicit Server(ServerOptions options);
  ~Server() override;
  const std::string& address() const noexcept { return listening_.address; }
  /// Serves until a client ends it, or until `parent`, a descriptor for a process, is readable.
  void run(int parent = -1);

 private:
  struct Client {
    ConnectionId id = 0;
    ClientLine line;
    os::Interest interest = os::Interest::readable;
    bool broken = false;
    bool lively = false;   ///< It is looked at, and its doorbell is not asked for.
    unsigned silence = 0;  ///< How often it had said nothing meanwhile.
  };
  using Clients = std::unordered_map<ConnectionId, Client>;

  void send(ConnectionId to, detail::Writer& answer) override;
  Time time() const override { return detail::Deadline::Clock::now(); }
  bool open_rings(ConnectionId of, detail::Writer& answer) override;
  void start_keeper(detail::ObjectId desk, detail::Writer& letter) override;
  void stop_keeper(detail::ObjectId desk) noexcept override { keepers_.stop(desk); }
  void welcome();
  /// Its socket is ready.
  void serve(ConnectionId id);
  /// Its doorbell has rung.
  void answer_bell(ConnectionId id);
  void enliven(Client& client);
  /// Those who may have said something where only memory tells, one request each; whether there was one.
  bool serve_lively();
  void dismiss_silent();
  bool all_asleep();
  /// Has the machine perform the request that `listen` finds.
  bool take_request(Client& client, ClientLine::Heard (ClientLine::*listen)());
  void watch(Client& client, os::Interest interest);
  void hang_up(Client& client);
  void bury();
  void expire();
  void set_timer();
  /// Whether all who may ask next are on this CPU, and need it for that.
  bool is_crowded() const noexcept;
  /// Goes to another CPU, if that has been so for a while; whether it did.
  bool move() noexcept;
  /// Tags of what is ready. With none, somebody has said something in its rings.
  std::size_t wait(std::span<std::uint64_t> tags, bool talking);

  Keepers keepers_;  // First: its nursery has nothing of what follows.
  ServerOptions options_;
  detail::ServerId id_;
  transport::ListeningSocket listening_;
  transport::Reception reception_;
  os::Epoll epoll_;
  base::SpinBudget spin_{os::allowed_cpus()};
  unsigned crowded_waits_ = 0;
  Time may_move_at_{};
  std::chrono::nanoseconds move_interval_{};
  Fd timer_;
  Time timer_at_ = Time::max();
  bool welcoming_ = true;
  Clients clients_;
  std::vector<Client*> lively_;
  std::vector<ConnectionId> broken_;
  std::deque<std::pair<Time, ConnectionId>> strangers_;  // When their time to greet is over.
  ConnectionId last_;
  Machine machine_;
};

}  // namespace ipc::manager
