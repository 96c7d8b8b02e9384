#include "ipc/manager/server.hpp"

#include <array>
#include <system_error>

#include <ipc/error.hpp>

#include "ipc/os/random.hpp"
#include "ipc/os/stream_socket.hpp"
#include "ipc/os/timer_fd.hpp"
#include "ipc/transport/address.hpp"

namespace ipc::manager {
namespace {

using detail::Deadline;
using transport::FrameStatus;

enum Tag : std::uint64_t { reception_tag, timer_tag, parent_tag, keepers_tag, first_connection };

/// All that a stranger has to say fits in there.
constexpr std::size_t max_greeting = 256;
constexpr std::size_t fds_per_answer = 253;
/// A larger buffer is given back.
constexpr std::size_t max_kept = std::size_t{1} << 16;

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
}

Server::Server(ServerOptions options)
    : options_(std::move(options)),
      id_(fresh_id()),
      listening_(listen(options_)),
      reception_(listening_.socket.get(), reception_options(options_)),
      timer_(os::make_timer_fd()),
      last_(first_connection),
      machine_(id_, *this) {
  epoll_.add(reception_.fd(), reception_tag);
  epoll_.add(timer_.get(), timer_tag);
  epoll_.add(keepers_.fd(), keepers_tag);
}

Server::~Server() {
  for (auto& [id, line] : lines_) epoll_.remove(line.socket.get());
}

void Server::run(int parent) {
  if (parent >= 0) epoll_.add(parent, parent_tag);
  std::array<std::uint64_t, 64> tags{};
  while (!machine_.shut_down()) {
    set_timer();
    const std::size_t count = wait(tags);
    for (const std::uint64_t tag : std::span(tags).first(count)) {
      if (tag == parent_tag) return;
      if (tag == reception_tag) welcome();
      if (tag == timer_tag) expire();
      if (tag == keepers_tag) {
        for (const detail::ObjectId desk : keepers_.ended()) machine_.keeper_ended(desk);
      }
      if (tag >= first_connection) serve(tag);
      bury();
    }
  }
}

std::size_t Server::wait(std::span<std::uint64_t> tags) {
  std::size_t count = 0;
  // A kernel wake takes longer than most calls: whoever has just asked may ask again.
  if (spin_.spin([&] { return (count = epoll_.wait(tags, false)) != 0; })) return count;
  count = epoll_.wait(tags, true);
  spin_.woke();
  return count;
}

void Server::welcome() {
  try {
    while (auto newcomer = reception_.next(false)) {
      if (!newcomer->failure.empty()) continue;
      if (lines_.size() >= options_.max_connections) {
        os::shut_down(newcomer->socket.get());
        continue;
      }
      const ConnectionId id = ++last_;
      Line& line = lines_[id];
      line.socket = std::move(newcomer->socket);
      line.passes_descriptors = os::passes_descriptors(line.socket.get());
      line.reader.set_limit(max_greeting);
      epoll_.add(line.socket.get(), id);
      machine_.connect(id);
      strangers_.emplace_back(Deadline::Clock::now() + options_.greeting_timeout, id);
    }
  } catch (const std::system_error&) {
    // No descriptors are left: those who knock wait until a client goes.
    epoll_.change(reception_.fd(), reception_tag, os::Interest::none);
    welcoming_ = false;
  }
}

void Server::serve(ConnectionId id) {
  const auto found = lines_.find(id);
  if (found == lines_.end() || found->second.broken) return;
  Line& line = found->second;
  if (!line.unsent.empty()) {
    if (!flush(line)) return hang_up(id);
    if (line.unsent.empty()) watch(id, line, os::Interest::readable);
    return;
  }
  try {
    if (!receive(id, line)) hang_up(id);
  } catch (const std::exception&) {  // Out of memory or descriptors for this one.
    hang_up(id);
  }
}

bool Server::receive(ConnectionId id, Line& line) {
  // Whoever sends on and on lets the others have their turn.
  for (int pieces = 0; pieces < 4; ++pieces) {
    const auto result =
        os::receive_stream(line.socket.get(), line.reader.room(), line.passes_descriptors ? &line.received_fds : nullptr, false);
    if (result.status == os::StreamStatus::would_block) return true;
    if (result.status == os::StreamStatus::closed || result.lost_fds) return false;
    const auto status = line.reader.advance(result.size);
    if (status == FrameStatus::incomplete) continue;
    if (status != FrameStatus::complete || line.received_fds.size() > fds_per_answer) return false;
    const bool stranger = !machine_.greeted(id);
    if (!machine_.receive(id, line.reader.message(), line.received_fds, Deadline::Clock::now())) return false;
    line.received_fds.clear();
    line.reader.next();
    if (stranger) line.reader.set_limit(options_.max_message_size);
    return true;
  }
  return true;
}

void Server::send(ConnectionId to, detail::Writer& answer) {
  const auto found = lines_.find(to);
  if (found == lines_.end()) return;
  Line& line = found->second;
  const transport::FrameHeader header(answer.size());
  line.unsent.assign(header.bytes().begin(), header.bytes().end());
  line.unsent.insert(line.unsent.end(), answer.view().begin(), answer.view().end());
  line.sent = 0;
  line.fds = std::move(answer.fds());
  answer.fds().clear();
  const bool can_be_sent = line.fds.empty() || (line.passes_descriptors && line.fds.size() <= fds_per_answer);
  if (!can_be_sent || !flush(line)) {
    line.broken = true;
    broken_.push_back(to);
  } else if (!line.unsent.empty()) {
    watch(to, line, os::Interest::writable);
  }
}

void Server::start_keeper(detail::ObjectId desk, detail::Writer& letter) {
  keepers_.start(desk, listening_.address, options_.authkey, letter);
}

bool Server::flush(Line& line) {
  try {
    while (line.sent != line.unsent.size()) {
      std::array<int, fds_per_answer> fds{};
      for (std::size_t i = 0; i < line.fds.size(); ++i) fds.at(i) = line.fds[i].get();
      const std::array pieces{std::span<const std::byte>(line.unsent).subspan(line.sent)};
      const auto result = os::send_stream(line.socket.get(), pieces, std::span(fds).first(line.fds.size()), false);
      if (result.status == os::StreamStatus::would_block) return true;
      if (result.status == os::StreamStatus::closed) return false;
      line.sent += result.size;
      line.fds.clear();
    }
  } catch (const std::system_error&) {
    return false;
  }
  if (line.unsent.capacity() > max_kept)
    line.unsent = Bytes();
  else
    line.unsent.clear();
  line.sent = 0;
  return true;
}

void Server::watch(ConnectionId id, Line& line, os::Interest interest) {
  if (line.interest == interest) return;
  line.interest = interest;
  epoll_.change(line.socket.get(), id, interest);
}

void Server::hang_up(ConnectionId id) {
  const auto found = lines_.find(id);
  if (found == lines_.end() || found->second.broken) return;
  found->second.broken = true;
  broken_.push_back(id);
}

void Server::bury() {
  // One's end may be another's answer, and that one's end.
  while (!broken_.empty()) {
    const ConnectionId id = broken_.back();
    broken_.pop_back();
    const auto line = lines_.extract(id);
    if (line.empty()) continue;
    epoll_.remove(line.mapped().socket.get());
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
    if (lines_.contains(strangers_.front().second) && !machine_.greeted(strangers_.front().second)) hang_up(strangers_.front().second);
  }
}

void Server::set_timer() {
  while (!strangers_.empty() && (!lines_.contains(strangers_.front().second) || machine_.greeted(strangers_.front().second))) {
    strangers_.pop_front();
  }
  Time next = machine_.next_deadline().value_or(Time::max());
  if (!strangers_.empty()) next = std::min(next, strangers_.front().first);
  if (next == timer_at_) return;
  timer_at_ = next;
  os::set_timer_fd(timer_.get(), Deadline::until(next));
}

}  // namespace ipc::manager
