#include "ipc/manager/machine.hpp"

#include <array>
#include <exception>
#include <stdexcept>
#include <system_error>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/exception.hpp>
#include <ipc/detail/typed_operation.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/greeting.hpp"
#include "ipc/manager/pool_desk.hpp"

namespace ipc::manager {

using detail::ObjectId;
using detail::Reader;
using detail::RequestHeader;
using detail::ServedKind;
using detail::Writer;

Machine::~Machine() {
  // What objects hold of each other may call back for as long as the registers are there.
  for (auto& [id, peer] : peers_) {
    if (peer.waiter) peer.waiter->leave();
    peer.waiter.reset();
  }
  names_.clear();
  peers_.clear();
  numbered_.clear();
  sessions_.clear();
}

void Machine::connect(ConnectionId connection) { peers_[connection].id = connection; }

bool Machine::greeted(ConnectionId connection) const {
  const auto peer = peers_.find(connection);
  return peer != peers_.end() && peer->second.session != nullptr;
}

void Machine::disconnect(ConnectionId connection) {
  const auto found = peers_.find(connection);
  if (found == peers_.end()) return;
  Peer& peer = found->second;
  if (peer.waiter) {
    stop_waiting(*peer.waiter);
    const Waiter gone = std::move(*peer.waiter);
    peer.waiter.reset();
    gone.object->forget(gone, *this);
  }
  const auto session = std::move(peer.session);
  peers_.erase(found);
  if (session != nullptr && --session->connections == 0) end(*session);
}

void Machine::end(Session& session) {
  // Objects that it waited for or held are told while they still live.
  for (const auto& [id, weak] : std::exchange(session.held, {})) {
    if (const auto object = weak.lock()) object->client_gone(session.number, *this);
  }
  numbered_.erase(session.number);
  const auto last = sessions_.extract(session.token);
  session.references.clear();
}

bool Machine::receive(ConnectionId connection, std::span<const std::byte> request, std::span<Fd> fds) {
  const auto found = peers_.find(connection);
  if (found == peers_.end() || found->second.waiter || found->second.watches) return false;
  Peer& peer = found->second;
  if (request.size() < sizeof(RequestHeader)) return false;
  Reader in(request, fds);
  const auto header = in.raw<RequestHeader>();
  if ((header.op == Op::hello) != (peer.session == nullptr)) return false;
  if (header.op == Op::release) {
    if (in.remaining() != sizeof(std::uint32_t)) return false;
    release(*peer.session, header.object, in.raw<std::uint32_t>());
    return true;
  }
  std::array<std::byte, 4096> scratch;
  Writer out(scratch);
  const detail::ServerHere here(id_);
  if (header.op == Op::hello) return answer_hello(peer, in, out);
  Answer answer(out, *peer.session);
  bool answered = true;
  try {
    answered = perform(peer, header, in, answer);
  } catch (...) {
    if (peer.waiter) {
      stop_waiting(*peer.waiter);
      peer.waiter.reset();
    }
    answer.fail(std::current_exception());
  }
  if (!answered) return true;
  answer.close();
  outlet_.send(connection, out);
  return true;
}

bool Machine::answer_hello(Peer& peer, Reader& in, Writer& out) {
  try {
    out.raw(Outcome::done);
    greet(peer, in, out);
  } catch (...) {
    out.truncate(0, 0);
    write_error(out, std::current_exception());
  }
  const bool known = peer.session != nullptr;
  outlet_.send(peer.id, out);
  return known;
}

void Machine::greet(Peer& peer, Reader& in, Writer& out) {
  const auto greeting = in.raw<Greeting>();
  if (greeting.magic != Greeting::expected) throw EncodingError("This is a manager of the library ipc; the client speaks something else.");
  auto& session = sessions_[greeting.session];
  const bool fresh = session == nullptr;
  if (fresh) {
    session = std::make_shared<Session>();
    session->number = ++last_session_;
    session->token = greeting.session;
    numbered_[session->number] = session;
  }
  peer.session = session;
  ++session->connections;
  if (fresh && greeting.copied != detail::ServerId{}) {
    const auto copied = sessions_.find(greeting.copied);
    if (copied != sessions_.end()) session->references = copied->second->references;
  }
  if (greeting.lease != 0) {
    const auto object = objects_.find(greeting.lease);
    const auto living = object == objects_.end() ? nullptr : object->second.lock();
    if (living == nullptr) throw UsageError("The object is gone.");
    refer(*session, living);
  }
  out.raw(id_);
}

bool Machine::perform(Peer& peer, const RequestHeader& header, Reader& in, Answer& out) {
  const Owner owner{peer.session->number, header.thread};
  Call call(*this, peer, header, owner, in, out);
  switch (header.op) {
    case Op::create:
      create(call);
      return true;
    case Op::attach: {
      const auto object = objects_.find(header.object);
      const auto living = object == objects_.end() ? nullptr : object->second.lock();
      if (living == nullptr) throw UsageError("The object is gone.");
      refer(*peer.session, living);
      return true;
    }
    case Op::number:
      out.raw(std::uint64_t{objects_.size()});
      return true;
    case Op::shut_down:
      shut_down_ = true;
      return true;
    case Op::end:
      peer.watches = true;
      return false;
    case Op::rings:
      if (!outlet_.open_rings(peer.id, out.writer())) throw UsageError("This connection cannot go on through rings in shared memory.");
      return true;
    default:
      break;
  }
  const auto held = peer.session->references.find(header.object);
  if (held == peer.session->references.end()) throw UsageError("The manager has no such object, or this client has no reference to it.");
  // Should the client give up its last reference meanwhile.
  call.object = held->second.object;
  call.object->perform(call);
  return !call.waiting;
}

void Machine::create(Call& call) {
  const auto kind = call.in.raw<ServedKind>();
  const auto tag = call.in.raw<std::uint64_t>();
  const std::size_t name_size = call.in.count(1);
  const std::string name(reinterpret_cast<const char*>(call.in.take(name_size)), name_size);
  if (kind >= ServedKind::count) throw EncodingError("A client asked for an object of a kind that there is not.");
  std::shared_ptr<Object> object;
  const auto named = name.empty() ? names_.end() : names_.find(name);
  if (named != names_.end()) {
    if (named->second.kind != kind || named->second.tag != tag) {
      throw UsageError("The manager's object \"" + name + "\" is of another type than was asked for.");
    }
    object = named->second.object;
  } else {
    object = make_object(kind, call);
    enroll(object);
    if (!name.empty()) names_.emplace(name, Named{kind, tag, object});
  }
  refer(*call.peer.session, object);
  call.out.raw(object->id);
}

void Machine::enroll(const std::shared_ptr<Object>& object) {
  object->id = ++last_object_;
  objects_[object->id] = object;
  object->belong_to(*this);
}

void Machine::refer(Session& session, const std::shared_ptr<Object>& object) {
  auto& held = session.references[object->id];
  held.object = object;
  ++held.count;
}

void Machine::release(Session& session, ObjectId object, std::uint32_t count) noexcept {
  const auto held = session.references.find(object);
  if (held == session.references.end()) return;
  if (held->second.count > count) {
    held->second.count -= count;
    return;
  }
  const auto last = session.references.extract(held);  // Destroyed when the register is in order.
}

void Machine::hold(const Owner& owner, Object& object) {
  const auto session = numbered_.find(owner.session);
  if (session != numbered_.end()) session->second->held[object.id] = object.weak_from_this();
}

void Machine::let_go(const Owner& owner, const Object& object) {
  const auto session = numbered_.find(owner.session);
  if (session != numbered_.end()) session->second->held.erase(object.id);
}

// --- pools ---------------------------------------------------------------------------------------------------------------

void Outlet::start_keeper(ObjectId /*desk*/, Writer& /*letter*/) { throw UsageError("This server has no pools."); }

void Machine::pend(std::uint64_t session, const std::shared_ptr<Object>& result) {
  const auto found = numbered_.find(session);
  if (found != numbered_.end()) found->second->pending[result->id] = result;
}

void Machine::settled(std::uint64_t session, ObjectId result) {
  const auto found = numbered_.find(session);
  if (found != numbered_.end()) found->second->pending.erase(result);
}

void Machine::keeper_ended(ObjectId desk) {
  const auto found = objects_.find(desk);
  const auto living = found == objects_.end() ? nullptr : std::dynamic_pointer_cast<Desk>(found->second.lock());
  if (living != nullptr) living->keeper_ended(*this);
}

// --- waiting -------------------------------------------------------------------------------------------------------------

Waiter& Machine::wait(Call& call, WaitQueue& queue) {
  Waiter& waiter = call.peer.waiter.emplace();
  waiter.peer = &call.peer;
  waiter.owner = call.owner;
  waiter.op = call.op;
  waiter.object = call.object;
  if (call.patience > 0) {
    // What is too far away to represent is never.
    const Time now = outlet_.time();
    const auto longest = Time::max() - now;
    if (std::chrono::nanoseconds(call.patience) < longest) waiter.deadline = now + std::chrono::nanoseconds(call.patience);
  }
  if (waiter.deadline) deadlines_.emplace(*waiter.deadline, call.peer.id);
  waiter.line_up(queue);
  call.waiting = true;
  return waiter;
}

void Machine::stop_waiting(Waiter& waiter) {
  waiter.leave();
  be_patient(waiter);
}

void Machine::be_patient(Waiter& waiter) {
  if (waiter.deadline) deadlines_.erase({*waiter.deadline, waiter.peer->id});
  waiter.deadline.reset();
}

void Machine::finish(Waiter& waiter, Answer& answer) {
  Peer& peer = *waiter.peer;
  stop_waiting(waiter);
  const auto object = std::move(waiter.object);
  peer.waiter.reset();
  answer.close();
  outlet_.send(peer.id, answer.writer());
}

void Machine::answer(Waiter& waiter, Outcome outcome) {
  answer(waiter, [&](Answer& out) {
    if (outcome == Outcome::nothing) out.nothing();
  });
}

void Machine::answer_error(Waiter& waiter, const std::exception_ptr& error) {
  answer(waiter, [&](Answer& out) { out.fail(error); });
}

std::optional<Time> Machine::next_deadline() const {
  if (deadlines_.empty()) return std::nullopt;
  return deadlines_.begin()->first;
}

void Machine::expire(Time now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto peer = peers_.find(deadlines_.begin()->second);
    Waiter& waiter = *peer->second.waiter;
    deadlines_.erase(deadlines_.begin());
    waiter.deadline.reset();
    const auto object = waiter.object;
    object->give_up(waiter, *this);
  }
}

}  // namespace ipc::manager
