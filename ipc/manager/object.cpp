#include "ipc/manager/object.hpp"

#include <exception>
#include <stdexcept>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/exception.hpp>
#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"
#include "ipc/os/current.hpp"
#include "ipc/process/identity.hpp"

namespace ipc::manager {
namespace {

/// What code of the client's threw, as opposed to the server.
struct Thrown {
  std::exception_ptr exception;
};

void write_sentence(detail::Writer& out, Outcome outcome, const char* sentence) {
  out.raw(outcome);
  out.bytes(sentence, std::char_traits<char>::length(sentence));
}

}  // namespace

void write_error(detail::Writer& out, std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const Thrown& thrown) {
    out.raw(Outcome::thrown);
    detail::encode_exception(out, thrown.exception, process::identity().name, os::process_id());
  } catch (const RemoteError&) {  // By code of a client's, in a worker of a pool.
    out.raw(Outcome::thrown);
    detail::encode_exception(out, error, process::identity().name, os::process_id());
  } catch (const WorkerLost& e) {
    out.raw(Outcome::worker_lost);
    out.raw(static_cast<std::int32_t>(e.pid()));
    out.raw(static_cast<std::int32_t>(e.exitcode()));
    out.bytes(e.what(), std::char_traits<char>::length(e.what()));
  } catch (const TaskTimeout& e) {
    write_sentence(out, Outcome::task_timeout, e.what());
  } catch (const TimeoutError& e) {
    write_sentence(out, Outcome::timeout_error, e.what());
  } catch (const Cancelled& e) {
    write_sentence(out, Outcome::cancelled, e.what());
  } catch (const PoolTerminated& e) {
    write_sentence(out, Outcome::pool_terminated, e.what());
  } catch (const UsageError& e) {
    write_sentence(out, Outcome::usage_error, e.what());
  } catch (const BrokenBarrier& e) {
    write_sentence(out, Outcome::broken_barrier, e.what());
  } catch (const ShutDown& e) {
    write_sentence(out, Outcome::shut_down, e.what());
  } catch (const EncodingError& e) {
    write_sentence(out, Outcome::encoding_error, e.what());
  } catch (const std::invalid_argument& e) {
    write_sentence(out, Outcome::invalid_argument, e.what());
  } catch (const std::out_of_range& e) {
    write_sentence(out, Outcome::out_of_range, e.what());
  } catch (const std::overflow_error& e) {
    write_sentence(out, Outcome::overflow_error, e.what());
  } catch (const std::exception& e) {
    write_sentence(out, Outcome::failed, e.what());
  } catch (...) {
    write_sentence(out, Outcome::failed, "The manager could not do it.");
  }
}

Element Call::take() { return Machine::take(in, *peer.session); }

std::vector<Element> Call::take_all() {
  std::vector<Element> all;
  while (!in.at_end()) all.push_back(take());
  return all;
}

void Call::put(const Element& element) { Machine::put(out, *peer.session, element); }

void Call::nothing() {
  out.truncate(0, 0);
  out.raw(Outcome::nothing);
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
  if (operation.result != nullptr) put(*operation.result);
}

void run_operation(detail::TypedOperation operation, detail::TypedCall& call) {
  try {
    operation(call);
  } catch (...) {
    throw Thrown{std::current_exception()};
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
