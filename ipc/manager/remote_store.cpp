#include "ipc/manager/remote_store.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <ipc/detail/typed_operation.hpp>
#include <ipc/error.hpp>
#include <ipc/listener.hpp>

#include "ipc/os/at_fork.hpp"
#include "ipc/os/random.hpp"
#include "ipc/os/stream_socket.hpp"
#include "ipc/transport/address.hpp"
#include "ipc/transport/client.hpp"
#include "ipc/transport/socket_connection.hpp"

namespace ipc::manager {

namespace {

/// A fork waits so long for a server, and when that was too late, so long the next time.
constexpr std::chrono::milliseconds fork_patience(1000);
constexpr std::chrono::milliseconds fork_patience_again(10);

}  // namespace

using detail::Message;
using detail::ObjectId;
using detail::Op;
using detail::Outcome;
using detail::Reader;
using detail::RequestHeader;
using detail::ServerId;
using detail::Writer;

/// The stores of this process, and what a fork does to them.
class StoreRegister {
 public:
  StoreRegister() {
    os::at_fork([] { instance().before_fork(); }, [] { instance().after_fork(&RemoteStore::forget_child); },
                [] { instance().after_fork(&RemoteStore::become_child); });
  }
  // Never destroyed: proxies may live in static objects.
  static StoreRegister& instance() {
    static auto* stores = new StoreRegister();
    return *stores;
  }

  std::shared_ptr<RemoteStore> find(const ServerId& server) {
    const std::lock_guard guard(mutex_);
    const auto found = std::ranges::find_if(stores_, [&](const RemoteStore* store) { return store->server_ == server; });
    return found == stores_.end() ? nullptr : std::static_pointer_cast<RemoteStore>((*found)->weak_from_this().lock());
  }
  void add(RemoteStore& store) {
    const std::lock_guard guard(mutex_);
    stores_.push_back(&store);
  }
  void remove(RemoteStore& store) {
    const std::lock_guard guard(mutex_);
    std::erase(stores_, &store);
  }
  void abandon_all() noexcept {
    const std::lock_guard guard(mutex_);
    for (RemoteStore* store : stores_) {
      const std::lock_guard store_guard(store->mutex_);
      store->lines_.clear();
      store->lost_ = true;
    }
  }

 private:
  void before_fork() noexcept {
    mutex_.lock();
    for (RemoteStore* store : stores_) {
      store->mutex_.lock();
      store->prepare_child();
    }
  }
  void after_fork(void (RemoteStore::*what)() noexcept) noexcept {
    for (RemoteStore* store : stores_) {
      (store->*what)();
      store->mutex_.unlock();
    }
    mutex_.unlock();
  }

  std::mutex mutex_;
  std::vector<RemoteStore*> stores_;
};

RemoteStore::RemoteStore(Access access)
    : access_(std::move(access)),
      tls_(access_.tls.given() ? transport::TlsContext::for_client(access_.tls) : nullptr),
      near_(transport::Address::parse(access_.address).family == transport::Address::Family::unix_socket) {}

std::shared_ptr<RemoteStore> RemoteStore::connect(Access access, std::chrono::nanoseconds patience) {
  std::shared_ptr<RemoteStore> store(new RemoteStore(std::move(access)));
  os::fill_random(store->session_);
  auto socket = store->open({.session = store->session_}, detail::Deadline::after(patience));
  // Where this process reaches it already, that session serves: one for each server.
  if (auto known = StoreRegister::instance().find(store->server_)) return known;
  store->lines_.push_back(std::make_unique<Line>(Line{ServerLine(std::move(socket), store->near_), true}));
  StoreRegister::instance().add(*store);
  store->registered_ = true;
  return store;
}

RemoteStore::~RemoteStore() {
  if (registered_) StoreRegister::instance().remove(*this);
}

void RemoteStore::abandon_all() noexcept { StoreRegister::instance().abandon_all(); }

void RemoteStore::fail_lost() {
  lost_ = true;
  throw ManagerLost("The manager at " + access_.address + " has ended: its server process was shut down, or died. Its objects are gone.");
}

void RemoteStore::fail_late() const {
  throw TimeoutError("The manager at " + access_.address +
                     " does not answer: its process is stopped, or busy with a call that takes long.");
}

void RemoteStore::fail_refused(const std::exception_ptr& why) const {
  try {
    std::rethrow_exception(why);
  } catch (const std::exception& e) {
    throw UsageError("The manager at " + access_.address + " refuses: " + e.what());
  }
}

std::unique_ptr<detail::ConnectionCore> RemoteStore::open(const Greeting& greeting, detail::Deadline deadline) {
  auto wire =
      transport::connect_client(access_.address, {.authkey = access_.key, .handshake_timeout = deadline.remaining()}, tls_.get(), deadline);
  // A server may be busy with somebody's operation for a while, and take nothing meanwhile.
  const auto patience = std::min<std::chrono::nanoseconds>(access_.host_timeout, std::chrono::hours(9));
  os::notice_lost_host(wire.fd(), patience, 4 * patience);
  std::unique_ptr<detail::ConnectionCore> line = std::make_unique<transport::SocketConnection>(std::move(wire));
  std::array<std::byte, 128> scratch;
  Writer writer(scratch);
  writer.raw(RequestHeader{.op = Op::hello});
  writer.raw(greeting);
  try {
    line->send_bytes(writer.view());
    if (!line->poll(deadline)) fail_late();
    const auto answer = line->receive(4096, {});
    Reader reader(answer.bytes);
    constexpr std::string_view challenge = "#CHALLENGE#";
    if (std::ranges::equal(answer.bytes.first(std::min(answer.bytes.size(), challenge.size())), std::as_bytes(std::span(challenge)))) {
      throw AuthenticationError("The manager at " + access_.address + " wants an authkey: give the same `.authkey` as it has.");
    }
    if (const auto outcome = reader.raw<Outcome>(); outcome != Outcome::done) fail_refused(detail::exception_of(outcome, reader));
    const auto server = reader.raw<ServerId>();
    if (server_ == ServerId{}) server_ = server;  // The first connection, before others know of this.
    if (server != server_) fail_lost();
  } catch (const EndOfFile&) {
    throw ManagerLost("The manager at " + access_.address + " closed the connection: it has ended, or has as many clients as it takes.");
  } catch (const BrokenPipe&) {
    throw ManagerLost("The manager at " + access_.address + " closed the connection: it has ended, or has as many clients as it takes.");
  }
  line->release();
  return line;
}

RemoteStore::Line& RemoteStore::borrow() {
  ServerId session;
  ServerId copied;
  {
    const std::lock_guard guard(mutex_);
    if (lost_) fail_lost();
    // The one that was used last: what was sent through it is in order.
    const auto idle = std::ranges::find_if(lines_, [](const auto& line) { return line->idle; });
    if (idle != lines_.end()) {
      (*idle)->idle = false;
      return **idle;
    }
    session = session_;
    copied = copied_;
  }
  std::unique_ptr<Line> fresh;
  try {
    fresh = std::make_unique<Line>(Line{ServerLine(open({.session = session, .copied = copied}), near_)});
  } catch (const std::system_error& e) {
    if (e.code() == std::errc::connection_refused || e.code() == std::errc::no_such_file_or_directory) fail_lost();
    throw;
  }
  const std::lock_guard guard(mutex_);
  return *lines_.emplace_back(std::move(fresh));
}

void RemoteStore::give_back(Line& line) noexcept {
  const std::lock_guard guard(mutex_);
  line.idle = true;
}

void RemoteStore::drop(Line& line) noexcept {
  const std::lock_guard guard(mutex_);
  std::erase_if(lines_, [&](const auto& each) { return each.get() == &line; });
}

Message RemoteStore::call(Writer& request) {
  Line& line = borrow();
  try {
    Message answer = line.connection.call(request);
    give_back(line);
    return answer;
  } catch (const EndOfFile&) {
    drop(line);
    fail_lost();
  } catch (const BrokenPipe&) {
    drop(line);
    fail_lost();
  } catch (const EncodingError&) {
    // Nothing has been sent: descriptors over TCP.
    give_back(line);
    throw;
  } catch (...) {
    drop(line);
    throw;
  }
}

void RemoteStore::release(ObjectId id, std::uint32_t count) noexcept {
  if (lost_) return;
  try {
    std::array<std::byte, 64> scratch;
    Writer writer(scratch);
    writer.raw(RequestHeader{.op = Op::release, .object = id});
    writer.raw(count);
    Line& line = borrow();
    try {
      line.connection.send(writer);
      give_back(line);
    } catch (...) {
      drop(line);
      lost_ = true;
    }
  } catch (...) {  // It has ended, and the object with it.
  }
}

std::unique_ptr<detail::ConnectionCore> RemoteStore::lease(ObjectId id) {
  ServerId session;
  os::fill_random(session);
  try {
    return open({.session = session, .lease = id});
  } catch (const std::system_error&) {
    fail_lost();
  }
}

void RemoteStore::encode(ObjectId id, Writer& writer) {
  // It lives as long as the connection, wherever that travels.
  const auto line = lease(id);
  encode_access(writer, access_);
  line->encode(writer);
}

std::unique_ptr<detail::ConnectionCore> RemoteStore::watch(ObjectId id) {
  // In this process's session its locks would last as long as a child has the connection.
  auto line = lease(id);
  std::array<std::byte, sizeof(RequestHeader)> scratch;
  Writer request(scratch);
  request.raw(RequestHeader{.op = Op::wait, .object = id});
  line->send_bytes(request.view());
  return line;
}

std::shared_ptr<detail::Reference> RemoteStore::decode(const ServerId& server, ObjectId id, Reader& reader) {
  Access access = decode_access(reader);
  const std::string address = access.address;
  const auto lease = detail::decode_connection(reader);
  auto store = StoreRegister::instance().find(server);
  if (store == nullptr || store->lost_) {
    try {
      store = connect(std::move(access), detail::Deadline::never().remaining());
    } catch (const std::system_error&) {
      throw ManagerLost("A proxy came from the manager at " + address + ", which has ended.");
    }
  }
  if (store->server_ != server) throw ManagerLost("A proxy came from a manager at " + address + ", where there is another now.");
  detail::Request(store, Op::attach, id).send();
  return std::make_shared<detail::Reference>(std::move(store), id);
}

void RemoteStore::wait_for_end() noexcept {
  try {
    detail::Request(shared_from_this(), Op::end, 0).send();
  } catch (const std::exception&) {
  }
}

void RemoteStore::prepare_child() noexcept {
  os::fill_random(childs_session_);
  // On the server itself nobody would answer.
  if (lost_ || (lines_.empty() && copied_ == ServerId{}) || detail::is_server_here(server_)) return;
  const auto patience = was_late_ ? fork_patience_again : fork_patience;
  was_late_ = false;
  try {
    childs_line_ = open({.session = childs_session_, .copied = session_}, detail::Deadline::after(patience));
  } catch (const TimeoutError&) {
    was_late_ = true;
  } catch (const AuthenticationError&) {  // It was late there.
    was_late_ = true;
  } catch (const std::system_error& error) {
    was_late_ = error.code() == std::errc::timed_out;
  } catch (const std::exception&) {  // Then it has ended, and the child will notice.
  }
}

void RemoteStore::forget_child() noexcept { childs_line_.reset(); }

void RemoteStore::become_child() noexcept {
  // The parent's connections, also those of calls that its other threads are in.
  lines_.clear();
  if (lost_) return;
  copied_ = session_;
  session_ = childs_session_;
  if (childs_line_ == nullptr) return;
  copied_ = {};
  lines_.push_back(std::make_unique<Line>(Line{ServerLine(std::move(childs_line_), near_), true}));
}

}  // namespace ipc::manager
