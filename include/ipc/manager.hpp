#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <ipc/auth_key.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/time_limit.hpp>
#include <ipc/dict_proxy.hpp>
#include <ipc/list_proxy.hpp>
#include <ipc/namespace_proxy.hpp>
#include <ipc/object_proxy.hpp>
#include <ipc/pool_proxy.hpp>
#include <ipc/queue_proxy.hpp>
#include <ipc/sync_proxies.hpp>
#include <ipc/tls_options.hpp>
#include <ipc/value_proxy.hpp>

namespace ipc {

namespace manager {
class ManagerCore;
}  // namespace manager

struct ManagerOptions {
  /// As a `Listener`'s; empty for a private unix socket.
  std::string address = {};
  /// What clients must know; needed for TCP. `std::nullopt`: on a unix socket this user's processes, and root's, are let in.
  std::optional<AuthKey> authkey = {};
  /// Given, what goes over TCP is encrypted, and both sides know by certificates whom they talk to; the authkey is needed all the
  /// same. Without, whoever can read or change what is on its way between the machines can do so with objects and calls (not
  /// with the key, which is never sent): for networks of one's own.
  TlsOptions tls = {};
  /// A client that announces a larger message is disconnected.
  std::size_t max_message_size = std::size_t{1} << 30;
  /// Connections beyond are closed at once. A process needs one for each call that it makes at the same time.
  std::size_t max_connections = 8192;
  /// Who has not said within this time who it is, is disconnected.
  detail::TimeLimit handshake_timeout = std::chrono::seconds(5);
  /// Runs in the server process before it serves. What it throws, the maker of the manager throws.
  std::function<void()> initializer = {};
  /// Over TCP: a client whose machine gives no sign of life for so long, or which reads nothing of its answer, has ended, with its
  /// locks and references. So has for a client a server whose machine is silent, or which reads nothing for four times as long.
  /// Whole seconds.
  detail::TimeLimit host_timeout = std::chrono::seconds(15);
  /// For `serve`: called once with the address, when clients can connect.
  std::function<void(const std::string& address)> on_serving = {};
};

/// The name of an object that all clients of a manager share: see `Manager`.
struct Named {
  std::string name;
};
inline Named named(std::string_view name) { return {std::string(name)}; }

/// Objects that live in a server process and are used through proxies, by any process on any machine.
///
///   ipc::Manager m;
///   auto d = m.dict<std::string, int>();
///   d["a"] = 1;
///   d.update("a", [](int& x) { ++x; });
///
/// An object lives as long as a proxy of it does anywhere: in a variable, in a message on its way, in another managed object.
/// One with a name, `m.dict<K, V>(ipc::named("scores"))`, is made at its first use, is the same for every client, and lives
/// as long as the server. A name that is taken by another type is `UsageError`.
///
/// When a client process ends, in any way, its locks, waits and references end. When the server has ended, every call is
/// `ManagerLost`, at once, also those that wait. A manager is a handle: copies, also in forked children, use the same server;
/// the one that started it ends it when its last copy in that process goes. Any thread may use it.
class Manager {
 public:
  /// Starts a server process on this machine. It ignores SIGINT, and leaves when this process ends, in any way. Throws as
  /// `Listener`, and `UsageError` for a TCP address without an authkey.
  Manager() : Manager(ManagerOptions{}) {}
  explicit Manager(const ManagerOptions& options);
  /// A server that runs already. Throws as `Client`, and `TimeoutError` when it does not answer within the handshake time.
  /// `options` says the authkey and, where the server speaks TLS, whom to trust: `.tls = {.ca = "ca.pem"}`.
  static Manager connect(std::string_view address, const ManagerOptions& options = {});
  /// Of objects that live in a store of another kind.
  static Manager over(std::shared_ptr<detail::ObjectStore> store);
  /// Runs a server in this process, in this thread, until a client calls `shutdown`.
  static void serve(const ManagerOptions& options);

  /// What clients connect to.
  const std::string& address() const;
  /// Ends the server, for all clients. Again is fine.
  void shutdown() const;
  /// Waits until the server has ended.
  void join() const;
  /// How many objects the server has, of all clients.
  std::size_t number_of_objects() const;

  template <class T>
  ListProxy<T> list(const Named& name = {}) const {
    return make<ListProxy<T>>(Kind::list, tag<T>(), name, [](Request&) {});
  }
  template <class T>
  ListProxy<T> list(std::initializer_list<T> elements) const {
    return list<T>(Named{}, elements);
  }
  template <class T, class Range>
  requires(!std::same_as<std::remove_cvref_t<Range>, Named>) ListProxy<T> list(Range&& elements)
  const { return list<T>(Named{}, std::forward<Range>(elements)); }
  /// Of a named one the elements are those of its first use.
  template <class T, class Range = std::initializer_list<T>>
  ListProxy<T> list(const Named& name, Range&& elements) const {
    return make<ListProxy<T>>(Kind::list, tag<T>(), name, [&](Request& request) { request.put_all<T>(std::forward<Range>(elements)); });
  }

  template <class K, class V>
  DictProxy<K, V> dict(const Named& name = {}) const {
    return make<DictProxy<K, V>>(Kind::dict, tag<std::pair<K, V>>(), name, [](Request&) {});
  }
  template <class K, class V>
  DictProxy<K, V> dict(std::initializer_list<std::pair<K, V>> items) const {
    return dict<K, V>(Named{}, items);
  }
  template <class K, class V, class Range>
  requires(!std::same_as<std::remove_cvref_t<Range>, Named>) DictProxy<K, V> dict(Range&& items)
  const { return dict<K, V>(Named{}, std::forward<Range>(items)); }
  template <class K, class V, class Range = std::initializer_list<std::pair<K, V>>>
  DictProxy<K, V> dict(const Named& name, Range&& items) const {
    return make<DictProxy<K, V>>(Kind::dict, tag<std::pair<K, V>>(), name,
                                 [&](Request& request) { detail::put_pairs<K, V>(request, std::forward<Range>(items)); });
  }

  NamespaceProxy Namespace(const Named& name = {}) const { return plain<NamespaceProxy>(Kind::name_space, name); }
  LockProxy Lock(const Named& name = {}) const { return plain<LockProxy>(Kind::lock, name); }
  RLockProxy RLock(const Named& name = {}) const { return plain<RLockProxy>(Kind::rlock, name); }
  SemaphoreProxy Semaphore(int n = 1) const { return Semaphore(Named{}, n); }
  SemaphoreProxy Semaphore(const Named& name, int n = 1) const {
    return make<SemaphoreProxy>(Kind::semaphore, 0, name, [&](Request& request) { request.raw(std::int32_t{n}); });
  }
  BoundedSemaphoreProxy BoundedSemaphore(int n = 1) const { return BoundedSemaphore(Named{}, n); }
  BoundedSemaphoreProxy BoundedSemaphore(const Named& name, int n = 1) const {
    return make<BoundedSemaphoreProxy>(Kind::bounded_semaphore, 0, name, [&](Request& request) { request.raw(std::int32_t{n}); });
  }
  /// With an RLock of its own.
  ConditionProxy Condition(const Named& name = {}) const {
    return make<ConditionProxy>(Kind::condition, 0, name, [&](Request& request) { request.raw(detail::ObjectId{0}); });
  }
  /// With a `LockProxy` or `RLockProxy` that others may share.
  ConditionProxy Condition(const LockProxy& lock) const { return Condition(Named{}, lock); }
  ConditionProxy Condition(const RLockProxy& lock) const { return Condition(Named{}, lock); }
  template <std::derived_from<detail::LockProxyBase> L>
  ConditionProxy Condition(const Named& name, const L& lock) const {
    return make<ConditionProxy>(Kind::condition, 0, name, [&](Request& request) { request.raw(id_here(lock)); });
  }
  EventProxy Event(const Named& name = {}) const { return plain<EventProxy>(Kind::event, name); }
  /// The action, a function or a lambda that captures nothing, runs on the server when the last party has come.
  BarrierProxy Barrier(int parties) const { return Barrier(Named{}, parties); }
  template <class Action = std::nullptr_t>
  BarrierProxy Barrier(int parties, const Action& action, detail::TimeLimit timeout = {}) const {
    return Barrier(Named{}, parties, action, timeout);
  }
  BarrierProxy Barrier(const Named& name, int parties) const { return Barrier(name, parties, nullptr); }
  template <class Action = std::nullptr_t>
  BarrierProxy Barrier(const Named& name, int parties, const Action& action, detail::TimeLimit timeout = {}) const {
    return make<BarrierProxy>(Kind::barrier, 0, name, [&](Request& request) {
      request.raw(std::int32_t{parties}).raw(timeout ? std::int64_t{timeout.get().count()} : detail::RequestHeader::never);
      if constexpr (!std::is_same_v<Action, std::nullptr_t>)
        detail::put_operation<&detail::run_action<std::decay_t<Action>>>(request, action);
    });
  }

  template <class T>
  QueueProxy<T> Queue(std::ptrdiff_t maxsize = 0) const {
    return Queue<T>(Named{}, maxsize);
  }
  template <class T>
  QueueProxy<T> Queue(const Named& name, std::ptrdiff_t maxsize = 0) const {
    return make<QueueProxy<T>>(Kind::queue, tag<T>(), name, [&](Request& request) { request.raw(std::int64_t{maxsize}); });
  }
  template <class T>
  JoinableQueueProxy<T> JoinableQueue(std::ptrdiff_t maxsize = 0) const {
    return JoinableQueue<T>(Named{}, maxsize);
  }
  template <class T>
  JoinableQueueProxy<T> JoinableQueue(const Named& name, std::ptrdiff_t maxsize = 0) const {
    return make<JoinableQueueProxy<T>>(Kind::joinable_queue, tag<T>(), name, [&](Request& request) { request.raw(std::int64_t{maxsize}); });
  }

  template <class T>
  ValueProxy<T> Value(const T& initial = T{}) const {
    return Value<T>(Named{}, initial);
  }
  template <class T>
  ValueProxy<T> Value(const Named& name, const T& initial = T{}) const {
    return make<ValueProxy<T>>(Kind::value, tag<T>(), name, [&](Request& request) { request.put(initial); });
  }
  /// So many, all `T{}`.
  template <class T, std::integral Size>
  ArrayProxy<T> Array(Size size) const {
    return Array<T>(Named{}, size);
  }
  template <class T, class Range>
  requires(!std::same_as<std::remove_cvref_t<Range>, Named> &&
           !std::integral<std::remove_cvref_t<Range>>) ArrayProxy<T> Array(Range&& elements)
  const { return Array<T>(Named{}, std::forward<Range>(elements)); }
  template <class T>
  ArrayProxy<T> Array(std::initializer_list<T> elements) const {
    return Array<T>(Named{}, elements);
  }
  template <class T, class What = std::initializer_list<T>>
  ArrayProxy<T> Array(const Named& name, What&& what) const {
    return make<ArrayProxy<T>>(Kind::array, tag<T>(), name, [&](Request& request) {
      using Size = std::remove_cvref_t<What>;
      if constexpr (std::integral<Size>) {
        if (std::cmp_less(what, 0)) detail::fail_negative_size();
        const T zero{};
        for (Size i = 0; i < what; ++i) request.put(zero);
      } else {
        request.put_all<T>(std::forward<What>(what));
      }
    });
  }

  /// A pool with so many workers, on the server's machine; with as many as that has CPUs for it when left out.
  PoolProxy Pool() const { return Pool(Named{}); }
  PoolProxy Pool(int processes) const { return Pool(Named{}, processes); }
  PoolProxy Pool(const PoolOptions& options) const { return Pool(Named{}, options); }
  PoolProxy Pool(const Named& name) const;
  PoolProxy Pool(const Named& name, int processes) const;
  /// `initializer` and `worker_exit` are for pools of one's own: they are `UsageError` here.
  PoolProxy Pool(const Named& name, const PoolOptions& options) const;
  /// `initializer(args...)` runs in each worker before its first task.
  template <class F, class... Args>
  requires std::invocable < F&, std::decay_t<Args>
  &... > PoolProxy Pool(const PoolOptions& options, const F& initializer, const Args&... args) const {
    return Pool(Named{}, options, initializer, args...);
  }
  template <class F, class... Args>
  requires std::invocable < F&, std::decay_t<Args>
  &... > PoolProxy Pool(const Named& name, const PoolOptions& options, const F& initializer, const Args&... args) const {
    // It may be run again and again: proxies in it travel as to a stranger.
    detail::Writer call;
    detail::encode_call(call, initializer, args...);
    const auto message = call.take();
    return make_pool(name, options, &message);
  }

  /// An object of the class `T`, made on the server from the arguments.
  template <class T, class... Args>
  ObjectProxy<T> object(const Named& name, const Args&... args) const {
    return make<ObjectProxy<T>>(Kind::object, tag<T>(), name, [&](Request& request) {
      detail::put_operation<&detail::make_own_object<T, detail::SentAs<Args>...>>(request, std::uint32_t{sizeof...(Args)});
      (request.put(args), ...);
    });
  }
  template <class T, class... Args>
  ObjectProxy<T> object(const Args&... args) const {
    return object<T>(Named{}, args...);
  }

 private:
  using Kind = detail::ServedKind;
  using Request = detail::Request;
  explicit Manager(std::shared_ptr<manager::ManagerCore> core) noexcept : core_(std::move(core)) {}

  template <class T>
  static constexpr std::uint64_t tag() {
    return detail::type_tag<T>();
  }
  template <class Proxy, class Fill>
  Proxy make(Kind kind, std::uint64_t type, const Named& name, Fill fill) const {
    Request request(store(), detail::Op::create, 0);
    request.raw(kind).raw(type).raw(std::uint64_t{name.name.size()}).writer().bytes(name.name.data(), name.name.size());
    fill(request);
    return Proxy(std::make_shared<detail::Reference>(store(), request.send().in().template raw<detail::ObjectId>()));
  }
  PoolProxy make_pool(const Named& name, const PoolOptions& options, const detail::Message* initializer) const;
  template <class Proxy>
  Proxy plain(Kind kind, const Named& name) const {
    return make<Proxy>(kind, 0, name, [](Request&) {});
  }
  detail::ObjectId id_here(const detail::ProxyBase& proxy) const;
  std::shared_ptr<detail::ObjectStore> store() const;

  std::shared_ptr<manager::ManagerCore> core_;
};

}  // namespace ipc
