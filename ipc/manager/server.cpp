#include "ipc/manager/server.hpp"

#include <algorithm>
#include <array>
#include <system_error>

#include <ipc/error.hpp>

#include "ipc/os/cpu.hpp"
#include "ipc/os/random.hpp"
#include "ipc/os/stream_socket.hpp"
#include "ipc/os/timer_fd.hpp"
#include "ipc/transport/address.hpp"
#include "ipc/transport/crowding.hpp"

namespace ipc::manager {
namespace {

using detail::Deadline;

/// What the epoll calls what it watches: a connection's socket by the connection, its doorbell by that and a bit more.
enum Tag : std::uint64_t { reception_tag, timer_tag, parent_tag, keepers_tag, first_connection };
constexpr std::uint64_t bell_of = std::uint64_t{1} << 63;

/// While clients talk through rings, sockets and the timer have their turn after so many rounds…
constexpr unsigned rounds_between_looks = 32;
/// …and a client that has said nothing for so many turns of theirs has to ring.
constexpr unsigned silence_allowed = 8;
constexpr unsigned looks_between_calls = 16;

/// Fewer may be over before it is worth while to go to another CPU.
constexpr unsigned crowded_waits_until_move = 16;
constexpr std::chrono::nanoseconds first_move_interval = std::chrono::milliseconds(1);
constexpr std::chrono::nanoseconds longest_move_interval = std::chrono::seconds(1);

detail::ServerId fresh_id() {
  detail::ServerId id{};
  os::fill_random(id);
  return id;
}

transport::ListeningSocket listen(const ServerOptions& options) {
  const auto address = transport::Address::parse(options.address);
  require_key(options);
  return transport::listen_at(address, 128, options.authkey.has_value());
}

ListenerOptions reception_options(const ServerOptions& options) {
  return {.authkey = options.authkey, .handshake_timeout = options.greeting_timeout};
}

}  // namespace

void require_key(const ServerOptions& options) {
  const auto address = transport::Address::parse(options.address);
  if (address.family == transport::Address::Family::tcp && !options.authkey) {
    throw UsageError(
        "A manager at a TCP address needs an authkey: every user of every machine that can reach the port could use it. "
        "Give both sides the same `.authkey`, or use a unix socket.");
  }
  if (address.family != transport::Address::Family::tcp && options.tls != nullptr)
    throw UsageError("TLS is for managers at TCP addresses: what goes through a unix socket does not leave this machine. Omit `.tls`.");
}

Server::Server(ServerOptions options)
    : options_(std::move(options)),
      id_(fresh_id()),
      listening_(listen(options_)),
      reception_(listening_.socket.get(), reception_options(options_), options_.tls),
      timer_(os::make_timer_fd()),
      last_(first_connection),
      machine_(id_, *this) {
  epoll_.add(reception_.fd(), reception_tag);
  epoll_.add(timer_.get(), timer_tag);
  epoll_.add(keepers_.fd(), keepers_tag);
}

Server::~Server() {
  for (auto& [id, client] : clients_) epoll_.remove(client.line.socket());
}

void Server::run(int parent) {
  if (parent >= 0) epoll_.add(parent, parent_tag);
  std::array<std::uint64_t, 64> tags{};
  for (unsigned rounds = 0; !machine_.shut_down(); ++rounds) {
    const bool talking = serve_lively();
    if (talking && rounds % rounds_between_looks != 0) continue;
    set_timer();
    const std::size_t count = wait(tags, talking);
    for (const std::uint64_t tag : std::span(tags).first(count)) {
      if (tag == parent_tag) return;
      if (tag == reception_tag) {
        welcome();
      } else if (tag == timer_tag) {
        expire();
      } else if (tag == keepers_tag) {
        for (const detail::ObjectId desk : keepers_.ended()) machine_.keeper_ended(desk);
      } else if ((tag & bell_of) != 0) {
        answer_bell(tag & ~bell_of);
      } else {
        serve(tag);
      }
      bury();
    }
  }
}

std::size_t Server::wait(std::span<std::uint64_t> tags, bool talking) {
  if (talking) {
    dismiss_silent();
    return epoll_.wait(tags, false);
  }
  std::size_t count = 0;
  unsigned looks = 0;
  const auto ready = [&] {
    if (std::ranges::any_of(lively_, [](const Client* client) { return client->line.stirs(); })) return true;
    // A system call takes as long as many looks at memory.
    if (!lively_.empty() && ++looks % looks_between_calls != 0) return false;
    return (count = epoll_.wait(tags, false)) != 0;
  };
  // A kernel wake takes longer than most calls: whoever has just asked may ask again.
  const bool crowded = is_crowded();
  if (!crowded) crowded_waits_ = 0;
  if ((!crowded || move()) && spin_.spin(ready)) return count;
  if (!all_asleep()) return 0;
  count = epoll_.wait(tags, true);
  spin_.woke();
  return count;
}

bool Server::is_crowded() const noexcept {
  if (lively_.empty()) return false;
  const auto here = transport::Crowding::here();
  return std::ranges::all_of(lively_, [&](const Client* client) { return client->line.cpu() == here; });
}

bool Server::move() noexcept {
  if (++crowded_waits_ < crowded_waits_until_move) return false;
  crowded_waits_ = 0;
  const Time now = Deadline::Clock::now();
  if (now < may_move_at_) return false;
  // After a time of peace it is as if it had never moved.
  const bool again = now - may_move_at_ < longest_move_interval;
  move_interval_ = again ? std::min(2 * move_interval_, longest_move_interval) : first_move_interval;
  may_move_at_ = now + move_interval_;
  return os::leave_cpu();
}

void Server::welcome() {
  try {
    while (auto newcomer = reception_.next(false)) {
      if (!newcomer->failure.empty()) continue;
      if (clients_.size() >= options_.max_connections) {
        os::shut_down(newcomer->wire.fd());
        continue;
      }
      const ConnectionId id = ++last_;
      os::notice_lost_host(newcomer->wire.fd(), options_.host_timeout, options_.host_timeout);
      ClientLine line(std::move(newcomer->wire));
      epoll_.add(line.socket(), id);
      Client& client = clients_.try_emplace(id, Client{.id = id, .line = std::move(line)}).first->second;
      // Its greeting may have come with the end of the handshake.
      if (client.line.stirs()) enliven(client);
      machine_.connect(id);
      strangers_.emplace_back(Deadline::after(options_.greeting_timeout).at(), id);
    }
  } catch (const std::system_error&) {
    // No descriptors are left: those who knock wait until a client goes.
    epoll_.change(reception_.fd(), reception_tag, os::Interest::none);
    welcoming_ = false;
  }
}

void Server::serve(ConnectionId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.broken) return;
  Client& client = found->second;
  if (!client.line.has_unsent()) {
    take_request(client, &ClientLine::listen_at_socket);
  } else if (!client.line.flush()) {
    hang_up(client);
  } else if (!client.line.has_unsent()) {
    watch(client, os::Interest::readable);
  }
  if (client.line.stirs()) enliven(client);
}

void Server::answer_bell(ConnectionId id) {
  const auto found = clients_.find(id);
  if (found == clients_.end() || found->second.broken) return;
  Client& client = found->second;
  try {
    if (!client.line.rings()->answer_bell()) return hang_up(client);
  } catch (const std::exception&) {  // It sends what is no doorbell.
    return hang_up(client);
  }
  enliven(client);
}

void Server::enliven(Client& client) {
  client.silence = 0;
  if (std::exchange(client.lively, true)) return;
  lively_.push_back(&client);
}

bool Server::serve_lively() {
  bool talking = false;
  for (Client* client : lively_) {
    if (client->broken || !client->line.stirs()) continue;
    // Whoever asks before it has taken its last answer does not keep to the protocol.
    if (client->line.has_unsent())
      hang_up(*client);
    else if (take_request(*client, &ClientLine::listen_at_memory))
      talking = true;
    client->silence = 0;
  }
  bury();
  return talking;
}

void Server::dismiss_silent() {
  std::erase_if(lively_, [](Client* client) {
    if (++client->silence <= silence_allowed) return false;
    client->lively = !client->line.quieten();
    return !client->lively;
  });
}

bool Server::all_asleep() {
  std::erase_if(lively_, [](Client* client) {
    client->lively = !client->line.quieten();
    return !client->lively;
  });
  return lively_.empty();
}

bool Server::take_request(Client& client, ClientLine::Heard (ClientLine::*listen)()) {
  try {
    switch ((client.line.*listen)()) {
      case ClientLine::Heard::nothing:
        return false;
      case ClientLine::Heard::end:
        hang_up(client);
        return false;
      case ClientLine::Heard::request:
        break;
    }
    const bool stranger = !machine_.greeted(client.id);
    if (!machine_.receive(client.id, client.line.request(), client.line.request_fds())) hang_up(client);
    client.line.forget_request();
    if (stranger) client.line.set_limit(options_.max_message_size);
    return true;
  } catch (const std::exception&) {  // Out of memory or descriptors for this one, or what it sent is none of ours.
    hang_up(client);
    return false;
  }
}

void Server::send(ConnectionId to, detail::Writer& answer) {
  const auto found = clients_.find(to);
  if (found == clients_.end()) return;
  Client& client = found->second;
  try {
    if (!client.line.answer(answer))
      hang_up(client);
    else if (client.line.has_unsent())
      watch(client, os::Interest::writable);
  } catch (const std::exception&) {  // No memory for this one: whose call it was that gave the answer need not know.
    hang_up(client);
  }
}

void Server::start_keeper(detail::ObjectId desk, detail::Writer& letter) {
  keepers_.start(
      desk, {.address = listening_.address, .key = options_.authkey, .tls = options_.certificates, .host_timeout = options_.host_timeout},
      letter);
}

bool Server::open_rings(ConnectionId of, detail::Writer& answer) {
  const auto found = clients_.find(of);
  if (found == clients_.end() || !found->second.line.open_rings(answer)) return false;
  epoll_.add(found->second.line.rings()->socket(), of | bell_of);
  return true;
}

void Server::watch(Client& client, os::Interest interest) {
  if (std::exchange(client.interest, interest) == interest) return;
  epoll_.change(client.line.socket(), client.id, interest);
}

void Server::hang_up(Client& client) {
  if (std::exchange(client.broken, true)) return;
  broken_.push_back(client.id);
}

void Server::bury() {
  // One's end may be another's answer, and that one's end.
  while (!broken_.empty()) {
    const ConnectionId id = broken_.back();
    broken_.pop_back();
    const auto client = clients_.extract(id);
    if (client.empty()) continue;
    if (client.mapped().lively) std::erase(lively_, &client.mapped());
    if (const auto* rings = client.mapped().line.rings()) epoll_.remove(rings->socket());
    epoll_.remove(client.mapped().line.socket());
    machine_.disconnect(id);
    if (!welcoming_) {
      epoll_.change(reception_.fd(), reception_tag, os::Interest::readable);
      welcoming_ = true;
    }
  }
}

void Server::expire() {
  timer_at_ = Time::min();
  os::set_timer_fd(timer_.get(), Deadline::never());
  const Time now = Deadline::Clock::now();
  machine_.expire(now);
  for (; !strangers_.empty() && strangers_.front().first <= now; strangers_.pop_front()) {
    const auto stranger = clients_.find(strangers_.front().second);
    if (stranger != clients_.end() && !machine_.greeted(stranger->first)) hang_up(stranger->second);
  }
}

void Server::set_timer() {
  while (!strangers_.empty() && (!clients_.contains(strangers_.front().second) || machine_.greeted(strangers_.front().second))) {
    strangers_.pop_front();
  }
  Time next = machine_.next_deadline().value_or(Time::max());
  if (!strangers_.empty()) next = std::min(next, strangers_.front().first);
  if (next == timer_at_) return;
  timer_at_ = next;
  os::set_timer_fd(timer_.get(), Deadline::until(next));
}

}  // namespace ipc::manager
