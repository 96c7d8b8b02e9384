#include "ipc/manager/object.hpp"

#include <exception>
#include <memory>
#include <stdexcept>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/exception.hpp>
#include <ipc/detail/throw_probe.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"
#include "ipc/os/current.hpp"
#include "ipc/process/identity.hpp"

namespace ipc::manager {

using detail::ObjectId;

Element Call::take() {
  const auto header = in.raw<detail::ElementHeader>();
  Element element;
  element.bytes.assign(reinterpret_cast<const char*>(in.take(header.size)), header.size);
  if (header.fds == 0 && header.objects == 0) return element;
  element.baggage = std::make_unique<Element::Baggage>();
  const auto& references = peer.session->references;
  for (unsigned i = 0; i < header.objects; ++i) {
    const auto held = references.find(in.raw<ObjectId>());
    if (held == references.end()) throw EncodingError("A client stored a proxy of an object to which it has no reference.");
    element.baggage->objects.push_back(held->second.object);
  }
  for (unsigned i = 0; i < header.fds; ++i) element.baggage->fds.push_back(in.fd());
  return element;
}

std::vector<Element> Call::take_all() {
  std::vector<Element> all;
  while (!in.at_end()) all.push_back(take());
  return all;
}

Waiter& Call::wait_in(WaitQueue& queue) { return machine.wait(*this, queue); }

detail::TypedOperation Call::take_operation(detail::TypedCall& arguments) {
  const auto token = in.raw<detail::Token>();
  const auto count = in.raw<std::uint32_t>();
  for (std::uint32_t i = 0; i < count; ++i) arguments.arguments.push_back(take());
  return reinterpret_cast<detail::TypedOperation>(reinterpret_cast<std::uintptr_t>(detail::resolve(token)));
}

void Call::run(detail::TypedCall& operation) {
  run_operation(take_operation(operation), operation);
  if (operation.result != nullptr) out.put(*operation.result);
}

void run_operation(detail::TypedOperation operation, detail::TypedCall& call) {
  try {
    operation(call);
  } catch (const detail::ThrowProbe&) {
  } catch (...) {
    // Here and not later: where it was thrown is known in its handler only.
    detail::Writer out;
    out.raw(Outcome::thrown);
    detail::encode_exception(out, std::current_exception(), process::identity().name, os::process_id());
    throw Thrown{out.take().bytes};
  }
}

Object::~Object() {
  if (machine_ != nullptr) machine_->forget_object(id);
}

void Object::give_up(Waiter& waiter, Machine& machine) { machine.answer(waiter, Outcome::nothing); }
void Object::forget(const Waiter& /*waiter*/, Machine& /*machine*/) {}
void Object::client_gone(std::uint64_t /*session*/, Machine& /*machine*/) {}

void Object::fail_operation() const { throw UsageError("The manager's object has no such operation."); }

std::size_t place_of(std::int64_t index, std::size_t size, const char* what) {
  const auto place = index < 0 ? index + static_cast<std::int64_t>(size) : index;
  if (place < 0 || place >= static_cast<std::int64_t>(size)) {
    throw std::out_of_range(std::string(what) + ": index " + std::to_string(index) + " is out of range, there are " + std::to_string(size) +
                            " elements.");
  }
  return static_cast<std::size_t>(place);
}

}  // namespace ipc::manager
