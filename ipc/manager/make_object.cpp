#include <stdexcept>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/manager/containers.hpp"
#include "ipc/manager/machine.hpp"
#include "ipc/manager/pool_desk.hpp"
#include "ipc/manager/queue_object.hpp"
#include "ipc/manager/sync_objects.hpp"

namespace ipc::manager {
namespace {

using detail::ServedKind;

std::shared_ptr<Object> make_dict(ServedKind kind, Call& call) {
  auto dict = std::make_shared<Dict>(kind);
  while (!call.in.at_end()) {
    const std::size_t size = call.in.count(1);
    std::string key(reinterpret_cast<const char*>(call.in.take(size)), size);
    dict->set(std::move(key), call.take());
  }
  return dict;
}

std::shared_ptr<Object> make_condition(Call& call) {
  const auto lock = call.in.raw<detail::ObjectId>();
  if (lock == 0) return std::make_shared<Condition>(std::make_shared<Mutex>(true));
  const auto held = call.peer.session->references.find(lock);
  auto mutex = held == call.peer.session->references.end() ? nullptr : std::dynamic_pointer_cast<Mutex>(held->second.object);
  if (mutex == nullptr) throw UsageError("A condition's lock must be a Lock or RLock of the same manager.");
  return std::make_shared<Condition>(std::move(mutex));
}

std::shared_ptr<Object> make_barrier(Call& call) {
  const auto parties = call.in.raw<std::int32_t>();
  const auto patience = call.in.raw<std::int64_t>();
  if (parties < 1) throw std::invalid_argument("A barrier needs at least one party.");
  detail::TypedCall operation;
  detail::TypedOperation action = nullptr;
  if (!call.in.at_end()) action = call.take_operation(operation);
  return std::make_shared<Barrier>(parties, patience, action, std::move(operation));
}

std::shared_ptr<Object> make_semaphore(ServedKind kind, Call& call) {
  const auto units = call.in.raw<std::int32_t>();
  if (units < 0) throw std::invalid_argument("A semaphore cannot begin with fewer than 0 units.");
  return std::make_shared<Semaphore>(units, kind == ServedKind::bounded_semaphore);
}

std::shared_ptr<Object> make_own(Call& call) {
  std::shared_ptr<void> object;
  detail::TypedCall operation;
  operation.object = &object;
  call.run(operation);
  return std::make_shared<Single>(std::move(object));
}

}  // namespace

std::shared_ptr<Object> make_object(ServedKind kind, Call& call) {
  switch (kind) {
    case ServedKind::list:
    case ServedKind::array:
      return std::make_shared<List>(kind, call.take_all());
    case ServedKind::dict:
    case ServedKind::name_space:
      return make_dict(kind, call);
    case ServedKind::lock:
    case ServedKind::rlock:
      return std::make_shared<Mutex>(kind == ServedKind::rlock);
    case ServedKind::semaphore:
    case ServedKind::bounded_semaphore:
      return make_semaphore(kind, call);
    case ServedKind::condition:
      return make_condition(call);
    case ServedKind::event:
      return std::make_shared<Event>();
    case ServedKind::barrier:
      return make_barrier(call);
    case ServedKind::queue:
    case ServedKind::joinable_queue:
      return std::make_shared<Queue>(call.in.raw<std::int64_t>(), kind == ServedKind::joinable_queue);
    case ServedKind::value:
      return std::make_shared<Single>(call.take());
    case ServedKind::object:
      return make_own(call);
    case ServedKind::pool:
      return make_pool(call);
    case ServedKind::result:
    case ServedKind::desk:
    case ServedKind::count:
      break;
  }
  throw EncodingError("A client asked for an object of a kind that there is not.");
}

}  // namespace ipc::manager
