#include "ipc/transport/reception.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "ipc/os/event_fd.hpp"
#include "ipc/os/stream_socket.hpp"
#include "ipc/os/timer_fd.hpp"
#include "ipc/transport/endpoint.hpp"

namespace ipc::transport {
namespace {

/// What the epoll calls its own descriptors; candidates come after.
enum Tag : std::uint64_t { listener_tag, wake_tag, first_candidate_tag };

/// So many are taken in before the others get on.
constexpr int welcome_at_once = 16;

}  // namespace

Reception::Reception(int listener, const ListenerOptions& options, std::shared_ptr<const TlsContext> tls)
    : listener_(listener),
      tls_(std::move(tls)),
      limit_(options.handshake_timeout.get()),
      max_candidates_(std::max<std::size_t>(options.max_handshakes, 1)),
      timer_(os::make_timer_fd()),
      doorbell_(os::make_event_fd()),
      stop_(os::make_event_fd()),
      next_tag_(first_candidate_tag) {
  if (options.authkey) key_ = options.authkey->bytes();
  epoll_.add(listener_, listener_tag);
  epoll_.add(timer_.get(), wake_tag);
  epoll_.add(doorbell_.get(), wake_tag);
  epoll_.add(stop_.get(), wake_tag);
}

std::optional<Newcomer> Reception::next(bool block) {
  // What came while nobody looked, and then, waiting, what comes.
  for (bool first_look = true; results_.empty() && !interrupted_.load(std::memory_order_acquire); first_look = false) {
    if (!first_look && !block) return std::nullopt;
    run(!first_look, first_look);
  }
  if (results_.empty()) return std::nullopt;
  Newcomer newcomer = std::move(results_.front());
  results_.pop_front();
  refresh();
  return newcomer;
}

bool Reception::ready() {
  if (results_.empty()) run(false, true);
  return !results_.empty();
}

void Reception::interrupt() noexcept {
  interrupted_.store(true, std::memory_order_release);
  os::signal_event_fd(stop_.get());
}

void Reception::dismiss() noexcept {
  epoll_.remove(listener_);
  for (auto& [tag, candidate] : candidates_) {
    epoll_.remove(candidate.authenticator.fd());
    os::shut_down(candidate.authenticator.fd());
  }
  candidates_.clear();
  results_.clear();
}

void Reception::run(bool block, bool first_look) {
  std::array<std::uint64_t, 64> tags{};
  const std::size_t count = epoll_.wait(tags, block);
  for (const std::uint64_t tag : std::span(tags).first(count)) {
    if (tag == listener_tag) welcome_some();
    if (const auto candidate = candidates_.find(tag); candidate != candidates_.end()) advance(candidate, first_look);
  }
  expire();
  refresh();
}

void Reception::welcome_some() {
  for (int i = 0; i < welcome_at_once && !crowded(); ++i) {
    auto client = os::accept_client(listener_);
    switch (client.status) {
      case os::AcceptStatus::accepted:
        welcome(std::move(client.socket), text_of(client.peer));
        break;
      case os::AcceptStatus::nobody:
        return;
      case os::AcceptStatus::shortage:
        if (candidates_.empty() && results_.empty()) throw std::system_error(client.error, "accept4");
        out_of_fds_ = !candidates_.empty();
        return;
    }
  }
}

void Reception::welcome(Fd socket, std::string peer) try {
  if (auto refused = refused_user(socket.get())) {
    results_.push_back({Wire(), std::move(peer), std::move(*refused)});
    return;
  }
  os::send_without_delay(socket.get());
  os::widen_send_room(socket.get());
  if (!key_) {
    results_.push_back({std::move(socket), std::move(peer), {}});
    return;
  }
  const int fd = socket.get();
  const std::uint64_t tag = next_tag_++;
  Wire wire(std::move(socket), tls_ == nullptr ? nullptr : tls_->session());
  Candidate candidate{Authenticator(std::move(wire), Side::listener, *key_), std::move(peer), Clock::now()};
  epoll_.add(fd, tag);
  advance(candidates_.emplace(tag, std::move(candidate)).first, false);
} catch (const std::system_error& error) {
  results_.push_back({Wire(), {}, std::string("The connection failed at once: ") + error.what() + "."});
}

void Reception::advance(Candidates::iterator candidate, bool first_look) {
  auto& [tag, state] = *candidate;
  const auto needs = state.authenticator.advance();
  if (needs == Authenticator::Needs::nothing) return end(candidate, state.authenticator.failure());
  const std::size_t received = state.authenticator.received();
  // It was we who kept it waiting, so its time begins anew. (As it takes bytes, it does not do so for ever.)
  if (first_look && received != state.received) state.since = Clock::now();
  state.received = received;
  const bool sending = needs == Authenticator::Needs::output;
  if (sending != state.sending) {
    epoll_.change(state.authenticator.fd(), tag, sending ? os::Interest::writable : os::Interest::readable);
    state.sending = sending;
  }
}

void Reception::end(Candidates::iterator candidate, std::string failure) {
  Wire wire = candidate->second.authenticator.take_wire();
  epoll_.remove(wire.fd());
  if (!failure.empty()) {
    os::shut_down(wire.fd());
    wire = Wire();
    out_of_fds_ = false;
  }
  results_.push_back({std::move(wire), std::move(candidate->second.peer), std::move(failure)});
  candidates_.erase(candidate);
  if (candidates_.empty()) out_of_fds_ = false;
}

Reception::Candidates::iterator Reception::oldest() {
  return std::min_element(candidates_.begin(), candidates_.end(),
                          [](const auto& a, const auto& b) { return a.second.since < b.second.since; });
}

void Reception::expire() {
  while (!candidates_.empty()) {
    const auto candidate = oldest();
    const auto time = patience();
    if (Clock::now() - candidate->second.since < time) return;
    end(candidate, "It did not send " + candidate->second.authenticator.awaited() + " within " +
                       std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) + " ms" +
                       (time < limit_ ? ", which is all there is for each while so many try." : "."));
  }
}

void Reception::refresh() {
  if (listening_ == crowded()) {
    listening_ = !listening_;
    epoll_.change(listener_, listener_tag, listening_ ? os::Interest::readable : os::Interest::none);
  }
  if (rung_ == results_.empty()) {
    rung_ = !rung_;
    rung_ ? os::signal_event_fd(doorbell_.get()) : os::clear_event_fd(doorbell_.get());
  }
  if (candidates_.empty() && !timing_) return;
  timing_ = !candidates_.empty();
  using detail::Deadline;
  os::set_timer_fd(timer_.get(), timing_ ? Deadline::after(patience() - (Clock::now() - oldest()->second.since)) : Deadline::never());
}

}  // namespace ipc::transport
