#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include <ipc/detail/proxy_guard.hpp>
#include <ipc/dict_proxy.hpp>
#include <ipc/error.hpp>
#include <ipc/namespace_proxy.hpp>
#include <ipc/pool_proxy.hpp>
#include <ipc/queue_proxy.hpp>
#include <ipc/sync_proxies.hpp>
#include <ipc/value_proxy.hpp>

/// The parts of the proxies that know no type.

namespace ipc {

using detail::Deadline;
using detail::Op;
using detail::PoolQuestion;
using detail::Request;

namespace detail {

void fail_key_with_descriptors() { throw UsageError("A key of a managed dict cannot hold handles, connections or descriptors."); }
void fail_missing_name(std::string_view name) { throw std::out_of_range("The namespace has no name \"" + std::string(name) + "\"."); }
void fail_other_type(const std::string& type) {
  throw EncodingError("The name's value is of another type than " + type + ", which get was asked for.");
}
void fail_negative_size() { throw std::invalid_argument("An array cannot have fewer than 0 elements."); }
void fail_full_queue() { throw Full("The queue had no room in time."); }
void fail_closed_queue() { throw UsageError("This process has closed the queue."); }
void fail_empty_queue() { throw Empty("The queue had no item in time."); }

bool LockProxyBase::take(Deadline deadline) const { return Request(reference(), Op::lock, deadline).send().done(); }
void LockProxyBase::unlock() const { Request(reference(), Op::unlock).send(); }
bool LockProxyBase::get_value() const { return Request(reference(), Op::get).send().in().raw<std::uint8_t>() != 0; }
bool LockProxyBase::recovered() const { return Request(reference(), Op::recovered).send().in().raw<std::uint8_t>() != 0; }

const RLockProxy& OwnLockProxy::of(const ProxyBase& object) {
  std::call_once(once_, [&] {
    auto reply = Request(object.reference(), Op::own_lock).send();
    lock_ = RLockProxy(std::make_shared<Reference>(object.reference().shared_store(), reply.in().raw<ObjectId>()));
  });
  return *lock_;
}

}  // namespace detail

// --- namespaces ----------------------------------------------------------------------------------------------------------

void NamespaceProxy::put_name(Request& request, std::string_view name) {
  request.raw(std::uint64_t{name.size()}).writer().bytes(name.data(), name.size());
}

namespace detail {

void OwnNames::set(std::string_view name, NamedValue value) {
  auto fresh = std::make_shared<const NamedValue>(std::move(value));
  const std::lock_guard guard(mutex_);
  values_.insert_or_assign(std::string(name), std::move(fresh));
}

std::shared_ptr<const NamedValue> OwnNames::find(std::string_view name) const {
  const std::lock_guard guard(mutex_);
  const auto value = values_.find(name);
  return value == values_.end() ? nullptr : value->second;
}

bool OwnNames::del(std::string_view name) {
  const std::lock_guard guard(mutex_);
  const auto value = values_.find(name);
  if (value == values_.end()) return false;
  values_.erase(value);
  return true;
}

}  // namespace detail

bool NamespaceProxy::has(std::string_view name) const {
  if (is_own(name)) return own_->find(name) != nullptr;
  Request request(reference(), Op::contains);
  put_name(request, name);
  return request.send().in().raw<std::uint8_t>() != 0;
}

void NamespaceProxy::del(std::string_view name) const {
  if (is_own(name)) {
    if (!own_->del(name)) detail::fail_missing_name(name);
    return;
  }
  Request request(reference(), Op::erase);
  put_name(request, name);
  request.send();
}

NamespaceValue NamespaceProxy::get_value() const {
  auto reply = Request(reference(), Op::slice).send();
  NamespaceValue copy;
  copy.server_ = reference().server();
  copy.values_ = std::make_shared<std::map<std::string, detail::NamedValue, std::less<>>>();
  while (!reply.in().at_end()) {
    const std::size_t size = reply.in().count(1);
    const std::string name(reinterpret_cast<const char*>(reply.in().take(size)), size);
    auto piece = reply.next();
    detail::NamedValue& value = (*copy.values_)[name];
    value.content = {{piece.bytes.begin(), piece.bytes.end()}, std::move(piece.fds)};
    value.references = std::move(piece.references);
  }
  return copy;
}

std::vector<std::string> NamespaceValue::names() const {
  std::vector<std::string> all;
  for (const auto& [name, value] : *values_) all.push_back(name);
  return all;
}

const detail::NamedValue& NamespaceValue::find(std::string_view name) const {
  const auto value = values_->find(name);
  if (value == values_->end()) detail::fail_missing_name(name);
  return value->second;
}

// --- synchronisation -----------------------------------------------------------------------------------------------------

bool ConditionProxy::wait_by(Deadline deadline) const { return Request(reference(), Op::wait, deadline).send().done(); }

void ConditionProxy::notify(int n) const {
  if (n < 0) throw std::invalid_argument("notify: the number of waiters must not be negative");
  Request(reference(), Op::notify).raw(static_cast<std::uint32_t>(n)).send();
}

void ConditionProxy::notify_all() const { Request(reference(), Op::notify).raw(UINT32_MAX).send(); }

bool SemaphoreProxy::acquire_by(Deadline deadline) const { return Request(reference(), Op::lock, deadline).send().done(); }
void SemaphoreProxy::release(int n) const { Request(reference(), Op::unlock).raw(std::int32_t{n}).send(); }
int SemaphoreProxy::get_value() const { return Request(reference(), Op::get).send().in().raw<std::int32_t>(); }

void EventProxy::set() const { Request(reference(), Op::set).send(); }
void EventProxy::clear() const { Request(reference(), Op::clear).send(); }
bool EventProxy::is_set() const { return Request(reference(), Op::get).send().in().raw<std::uint8_t>() != 0; }
bool EventProxy::wait_by(Deadline deadline) const { return Request(reference(), Op::wait, deadline).send().done(); }

int BarrierProxy::wait_by(Deadline deadline) const {
  auto reply = Request(reference(), Op::wait, deadline).send();
  return reply.in().raw<std::int32_t>();
}
void BarrierProxy::abort() const { Request(reference(), Op::abort).send(); }
void BarrierProxy::reset() const { Request(reference(), Op::clear).send(); }
int BarrierProxy::parties() const { return state().parties; }
int BarrierProxy::n_waiting() const { return state().waiting; }
bool BarrierProxy::broken() const { return state().broken; }

BarrierProxy::State BarrierProxy::state() const {
  auto reply = Request(reference(), Op::get).send();
  State state{};
  state.parties = reply.in().raw<std::int32_t>();
  state.waiting = reply.in().raw<std::int32_t>();
  state.broken = reply.in().raw<std::uint8_t>() != 0;
  return state;
}

// --- pools ---------------------------------------------------------------------------------------------------------------

void PoolProxy::close() const { Request(reference(), Op::close).send(); }
void PoolProxy::terminate() const { Request(reference(), Op::abort).send(); }
void PoolProxy::join() const { Request(reference(), Op::join).send(); }
std::size_t PoolProxy::size() const { return static_cast<std::size_t>(Request(reference(), Op::size).send().in().raw<std::uint64_t>()); }
void PoolProxy::resize(int processes) const { ask<bool>(PoolQuestion::resize, processes); }
std::vector<pid_t> PoolProxy::worker_pids() const { return ask<std::vector<pid_t>>(PoolQuestion::worker_pids); }

PoolStats PoolProxy::stats() const {
  PoolStats all;
  for (auto& each : ask<std::vector<detail::SentWorkerStats>>(PoolQuestion::stats)) all.push_back(std::move(each.stats));
  return all;
}

/// Of the process that runs the pool; nothing when that has been told to leave.
template <class T>
T PoolProxy::ask(PoolQuestion question, std::int64_t argument) const {
  auto reply = Request(reference(), Op::inquire).raw(question).raw(argument).send();
  reply.in().raw<detail::ResultStyle>();
  return reply.in().at_end() ? T() : reply.take<T>();
}

std::shared_ptr<detail::Reference> PoolProxy::shared_result(detail::Reply&& reply) const {
  return std::make_shared<detail::Reference>(reference().shared_store(), reply.in().raw<detail::ObjectId>());
}

std::size_t PoolProxy::chunksize_for(std::size_t elements, const MapOptions& options) const {
  if (options.chunksize != 0) return options.chunksize;
  if (options.timeout || elements == 0) return 1;
  const std::size_t chunks = 4 * size();
  return (elements + chunks - 1) / chunks;
}

}  // namespace ipc
