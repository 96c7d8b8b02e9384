#include "ipc/transport/listener.hpp"

#include <utility>

#include <ipc/error.hpp>

#include "ipc/transport/socket_connection.hpp"

namespace ipc {
namespace transport {

ListenerCore::ListenerCore(std::string_view address, ListenerOptions options)
    : options_(std::move(options)),
      listening_(listen_at(Address::parse(address), options_.backlog, options_.authkey.has_value())),
      process_(std::make_unique<Process>(listening_.socket.get(), options_)) {}

ListenerCore::~ListenerCore() {
  // A child that never used it: see Process.
  if (process_->witness.forked()) {
    static_cast<void>(process_.release());
  } else {
    close();
  }
}

ListenerCore::Process& ListenerCore::process() {
  if (process_->witness.forked()) {
    auto own = std::make_unique<Process>(listening_.socket.get(), options_);
    static_cast<void>(process_.release());
    process_ = std::move(own);
  }
  return *process_;
}

std::optional<Connection> ListenerCore::accept(bool block) {
  if (closed_) fail_closed();
  Process& here = process();
  std::unique_lock running(here.running, std::defer_lock);
  if (block) {
    running.lock();
  } else if (!running.try_lock()) {
    return std::nullopt;  // What there is goes to the one who waits.
  }
  if (closed_) fail_closed();
  auto newcomer = here.reception.next(block);
  running.unlock();
  if (!newcomer) {
    if (closed_) fail_closed();
    return std::nullopt;
  }
  {
    const std::scoped_lock naming(here.naming);
    here.last_accepted = newcomer->peer;
  }
  return let_in(std::move(*newcomer));
}

Connection ListenerCore::let_in(Newcomer newcomer) const {
  if (!newcomer.failure.empty()) {
    throw AuthenticationError("A client" + (newcomer.peer.empty() ? "" : " at " + newcomer.peer) + " was not let in at " +
                              listening_.address + ". " + newcomer.failure);
  }
  return Connection(std::make_unique<SocketConnection>(std::move(newcomer.wire)));
}

std::string ListenerCore::last_accepted() {
  Process& here = process();
  const std::scoped_lock naming(here.naming);
  return here.last_accepted;
}

void ListenerCore::close() {
  if (closed_.exchange(true)) return;
  Process& here = process();
  here.reception.interrupt();
  const std::scoped_lock running(here.running);
  here.reception.dismiss();
  listening_.place.reset();
  listening_.socket.reset();
}

int ListenerCore::fileno() {
  if (closed_) fail_closed();
  return process().reception.fd();
}

bool ListenerCore::ready() {
  Process& here = process();
  const std::unique_lock running(here.running, std::try_to_lock);
  // Closed, `accept` has something to say at once.
  return closed_ || (running.owns_lock() && here.reception.ready());
}

detail::WaitHook ListenerCore::wait_hook() {
  const auto look = [](void* listener) { return static_cast<ListenerCore*>(listener)->ready(); };
  return {.fd = fileno(), .object = this, .arm = look, .disarm = nullptr, .ready = look};
}

void ListenerCore::fail_closed() const { throw UsageError("The listener at " + listening_.address + " is closed."); }

}  // namespace transport

namespace {

transport::ListenerCore& open(const std::unique_ptr<transport::ListenerCore>& core) {
  if (core == nullptr) throw UsageError("The listener was moved to somebody else.");
  return *core;
}

}  // namespace

Listener::Listener(std::string_view address, ListenerOptions options)
    : core_(std::make_unique<transport::ListenerCore>(address, std::move(options))) {}
Listener::Listener(Listener&&) noexcept = default;
Listener& Listener::operator=(Listener&&) noexcept = default;
Listener::~Listener() = default;

Connection Listener::accept() {
  auto connection = open(core_).accept(true);
  return std::move(*connection);
}

std::optional<Connection> Listener::try_accept() { return open(core_).accept(false); }

const std::string& Listener::address() const { return open(core_).address(); }

std::string Listener::last_accepted() const { return open(core_).last_accepted(); }

void Listener::close() {
  if (core_ != nullptr) core_->close();
}

int Listener::fileno() const { return open(core_).fileno(); }

detail::WaitHook Listener::ipc_wait_hook() const { return open(core_).wait_hook(); }

}  // namespace ipc
