#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <ipc/detail/served.hpp>

#include "ipc/manager/object.hpp"

namespace ipc::manager {

using ConnectionId = std::uint64_t;

/// A client: a process with one or more connections. When the last of them ends, its references, locks and waits do, too.
struct Session {
  struct Held {
    std::shared_ptr<Object> object;
    std::uint64_t count = 0;
  };
  std::uint64_t number = 0;
  detail::ServerId token{};
  std::size_t connections = 0;
  std::unordered_map<detail::ObjectId, Held> references;
  /// Results of its calls that are not ready.
  std::unordered_map<detail::ObjectId, std::shared_ptr<Object>> pending;
  /// Locks that its threads hold, and the like: who wants to know of its end.
  std::map<detail::ObjectId, std::weak_ptr<Object>> held;
};

struct Peer {
  ConnectionId id = 0;
  std::shared_ptr<Session> session;  ///< None before its hello.
  std::optional<Waiter> waiter;      ///< Of its call, while that waits.
  bool watches = false;              ///< Its call waits for the end of the server.
};

/// Where answers go, and what is beyond the machine.
class Outlet {
 public:
  Outlet() = default;
  Outlet(const Outlet&) = delete;
  Outlet& operator=(const Outlet&) = delete;
  virtual ~Outlet() = default;
  /// The answer to the connection's last request. Must not call the machine.
  virtual void send(ConnectionId to, detail::Writer& answer) = 0;
  /// Asked for calls that wait only so long: to read a clock takes about as long as most calls.
  virtual Time time() const = 0;
  /// Starts the process that runs a pool's tasks, with all that it must know of the pool. Throws when it cannot.
  virtual void start_keeper(detail::ObjectId desk, detail::Writer& letter);
  /// Kills it; no error if it has ended.
  virtual void stop_keeper(detail::ObjectId /*desk*/) noexcept {}
  /// Has the connection go on through rings, whose other end goes into the answer; false where it cannot.
  virtual bool open_rings(ConnectionId /*of*/, detail::Writer& /*answer*/) { return false; }
};

/// The server of a manager, as a function from requests to answers: no I/O, no clock. One thread.
///
/// Invariants
/// 1. A connection has at most one call that is not answered.
/// 2. An object lives as long as a session, an element of another object, a name or a waiting call refers to it.
/// 3. A client can name only the objects that its session has references to. It gets one to any that lives by its number (`attach`,
///    a greeting's lease): whoever is let in may run code here, so that a guessed number gives nothing that he could not have.
class Machine {
 public:
  Machine(const detail::ServerId& id, Outlet& outlet) : id_(id), outlet_(outlet) {}
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;
  ~Machine();

  void connect(ConnectionId connection);
  void disconnect(ConnectionId connection);
  /// False when the peer does not keep to the protocol, and is to be disconnected.
  [[nodiscard]] bool receive(ConnectionId connection, std::span<const std::byte> request, std::span<Fd> fds);
  /// When `expire` is to be called next.
  std::optional<Time> next_deadline() const;
  void expire(Time now);
  /// The process that runs the pool has ended, however.
  void keeper_ended(detail::ObjectId desk);
  bool shut_down() const noexcept { return shut_down_; }
  bool greeted(ConnectionId connection) const;
  std::size_t objects() const noexcept { return objects_.size(); }

  // For the objects.
  const detail::ServerId& id() const noexcept { return id_; }
  Outlet& outlet() const noexcept { return outlet_; }
  /// Gives it its id, and a place in the register.
  void enroll(const std::shared_ptr<Object>& object);
  static void refer(Session& session, const std::shared_ptr<Object>& object);
  static void release(Session& session, detail::ObjectId object, std::uint32_t count) noexcept;
  /// The client keeps the result until it is ready, or the client ends.
  void pend(std::uint64_t session, const std::shared_ptr<Object>& result);
  void settled(std::uint64_t session, detail::ObjectId result);
  Waiter& wait(Call& call, WaitQueue& queue);
  /// Its answer is what `fill` writes; an error, if that throws.
  template <class Fill>
  void answer(Waiter& waiter, Fill fill);
  void answer(Waiter& waiter, Outcome outcome = Outcome::done);
  void answer_error(Waiter& waiter, const std::exception_ptr& error);
  /// It waits without end from now on.
  void be_patient(Waiter& waiter);
  /// Tells the object when the client ends.
  void hold(const Owner& owner, Object& object);
  void let_go(const Owner& owner, const Object& object);
  void forget_object(detail::ObjectId object) noexcept { objects_.erase(object); }

 private:
  bool answer_hello(Peer& peer, detail::Reader& in, detail::Writer& out);
  void greet(Peer& peer, detail::Reader& in, detail::Writer& out);
  /// False when there is no answer yet.
  bool perform(Peer& peer, const detail::RequestHeader& header, detail::Reader& in, Answer& out);
  void create(Call& call);
  void end(Session& session);
  /// The answer's queue place and deadline are gone.
  void finish(Waiter& waiter, Answer& answer);
  void stop_waiting(Waiter& waiter);

  struct Named {
    detail::ServedKind kind;
    std::uint64_t tag;
    std::shared_ptr<Object> object;
  };
  detail::ServerId id_;
  Outlet& outlet_;
  std::unordered_map<ConnectionId, Peer> peers_;
  std::map<detail::ServerId, std::shared_ptr<Session>> sessions_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Session>> numbered_;
  std::unordered_map<detail::ObjectId, std::weak_ptr<Object>> objects_;
  std::map<std::string, Named, std::less<>> names_;
  std::set<std::pair<Time, ConnectionId>> deadlines_;
  detail::ObjectId last_object_ = 0;
  std::uint64_t last_session_ = 0;
  bool shut_down_ = false;
};

template <class Fill>
void Machine::answer(Waiter& waiter, Fill fill) {
  std::array<std::byte, 512> scratch;
  detail::Writer out(scratch);
  Answer answer(out, *waiter.peer->session);
  try {
    fill(answer);
  } catch (...) {
    answer.fail(std::current_exception());
  }
  finish(waiter, answer);
}

}  // namespace ipc::manager
