#include "ipc/process/fork_loop.hpp"

#include <array>
#include <cstdint>
#include <exception>
#include <map>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <ipc/error.hpp>

#include "ipc/os/child.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/signals.hpp"
#include "ipc/os/socket.hpp"
#include "ipc/os/stdio.hpp"
#include "ipc/process/birth.hpp"
#include "ipc/process/go_ahead.hpp"
#include "ipc/process/identity.hpp"

namespace ipc::process {
namespace {

// NOTE: wire structure. What the head of every letter begins with.
enum class Order : std::uint8_t {
  fork,  // Followed by a Birth and what the child's main function wants to know.
  leave,
};

// NOTE: wire structure. With it travel the child's pidfd and the receiving end of its status socket, unless `error` is set. The
// child waits at the other end until it may begin (go_ahead.hpp).
struct ForkReply {
  std::int32_t pid;
  std::int32_t error;  // An errno value.
};
static_assert(sizeof(ForkReply) == 8);

class Server {
 public:
  explicit Server(ForkLoop& loop) : loop_(loop), children_ended_(os::child_signal_fd()) {}

  void serve() {
    try {
      poll_and_serve();
    } catch (const std::exception& e) {
      os::write_to_stderr("Process " + identity().name + ": " + e.what() + "\n");
    }
  }

  /// Kills and reaps the children that are left.
  void kill_children() {
    for (const auto& [pid, status] : children_) os::signal_pidfd(os::open_pidfd(pid).get(), SIGKILL);
    while (!children_.empty()) {
      os::wait_readable(children_ended_.get(), detail::Deadline::never());
      os::drain_signal_fd(children_ended_.get());
      reap();
    }
  }

 private:
  void poll_and_serve() {
    for (;;) {
      std::array<os::PollEntry, 3> entries{os::PollEntry{.fd = loop_.control.get()}, os::PollEntry{.fd = loop_.client_pidfd.get()},
                                           os::PollEntry{.fd = children_ended_.get()}};
      os::poll(entries, detail::Deadline::never());
      if (entries[2].ready) {
        os::drain_signal_fd(children_ended_.get());
        reap();
      }
      if (entries[0].ready) {
        if (!take_order()) return;
      } else if (entries[1].ready) {
        return;
      }
    }
  }

  void reap() {
    while (const auto ended = os::reap_any()) {
      const auto child = children_.find(ended->pid);
      if (child == children_.end()) continue;
      report(child->second, ended->exitcode);
      children_.erase(child);
    }
  }

  static void report(const Fd& status, int exitcode) {
    // Nobody may be interested any more. It never blocks: this is the only packet that the socket will ever see.
    os::send_packet(status.get(), std::as_bytes(std::span(&exitcode, 1)), {}, false);
  }

  // False when the client wants no more.
  bool take_order() {
    std::optional<Letter> letter;
    try {
      letter = receive_letter(loop_.control.get(), loop_.client_pidfd.get());
    } catch (const std::system_error& e) {
      return reply({0, e.code().value()}, {});
    }
    if (!letter) return false;
    detail::Reader head(letter->head);
    switch (head.raw<Order>()) {
      case Order::fork:
        return fork(head, letter->body);
      case Order::leave:
        break;
    }
    return false;
  }

  bool fork(detail::Reader& head, detail::Message& body) {
    const pid_t self = os::process_id();
    pid_t pid = 0;
    try {
      auto [client_end, our_end] = os::packet_socket_pair();
      // A SIGINT or SIGTERM that comes for the child before it looks at its signals as it should is kept for it.
      const os::SignalBlock block;
      pid = os::fork_process();
      if (pid == 0) {
        client_end.reset();
        live(self, std::move(our_end), head, body);
      }
      // Not reaped yet, so the pid is the child's even if that has ended.
      const Fd pidfd = os::open_pidfd(pid);
      children_.emplace(pid, std::move(our_end));
      const std::array<int, 2> fds{pidfd.get(), client_end.get()};
      // It is the client that lets the child begin, when it has these. So when this process is killed before its reply, or
      // the client finds no room for them, nothing has run, and the client may ask again.
      return reply({pid, 0}, fds);
    } catch (const std::system_error& e) {
      if (pid != 0) os::discard_child(pid);
      children_.erase(pid);
      return reply({0, e.code().value()}, {});
    }
  }

  // Never blocks for long: the client reads one reply for each letter before it writes the next.
  bool reply(ForkReply reply, std::span<const int> fds) {
    return os::send_packet(loop_.control.get(), std::as_bytes(std::span(&reply, 1)), fds) == os::SendStatus::sent;
  }

  [[noreturn]] void live(pid_t maker, Fd status, detail::Reader& head, detail::Message& body) noexcept {
    live_and_exit([&] {
      children_.clear();
      children_ended_.reset();
      loop_.control.reset();
      if (!may_go(status, loop_.client_pidfd)) return Child::unknown_exitcode;
      status.reset();
      become(Birth::decode(head), maker, std::move(loop_.client_pidfd));
      return loop_.child_main(head, body);
    });
  }

  ForkLoop& loop_;
  Fd children_ended_;
  std::map<pid_t, Fd> children_;  // The sending ends of the status sockets.
};

Bytes order(Order order, std::span<const std::byte> head = {}) {
  detail::Writer bytes;
  bytes.raw(order);
  bytes.bytes(head.data(), head.size());
  return bytes.take().bytes;
}

}  // namespace

void ForkLoop::run() noexcept {
  Server server(*this);
  server.serve();
  if (kill_children) server.kill_children();
  os::exit_now(0);
}

Child request_child(int control, int server_pidfd, const char* who, std::span<const std::byte> head, std::span<const std::byte> body,
                    std::span<const Fd> fds) {
  const auto is_dead = [&] { return ServerDied(std::string(who) + " that forks processes for this one has died: it was killed."); };
  if (!send_letter(control, order(Order::fork, head), body, fds)) throw is_dead();
  std::array<os::PollEntry, 2> entries{os::PollEntry{.fd = control}, os::PollEntry{.fd = server_pidfd}};
  os::poll(entries, detail::Deadline::never());
  // Its last words arrive although it is dead; without any, another process may hold its end of the socket open.
  if (!entries[0].ready) throw is_dead();
  ForkReply reply{};
  std::vector<Fd> received;
  const auto packet = os::receive_packet(control, std::as_writable_bytes(std::span(&reply, 1)), received);
  if (packet.status != os::ReceiveStatus::received) throw is_dead();
  if (reply.error != 0) throw std::system_error(reply.error, std::generic_category(), std::string(who) + " cannot make a process");
  const int status = received.at(1).get();
  Child child(reply.pid, std::move(received.at(0)), std::move(received.at(1)));
  let_go(status);
  return child;
}

void request_leave(int control) { send_letter(control, order(Order::leave), {}, {}); }

}  // namespace ipc::process
