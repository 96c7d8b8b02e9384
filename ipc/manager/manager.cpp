#include <ipc/manager.hpp>

#include <chrono>
#include <mutex>
#include <stdexcept>
#include <string>

#include <ipc/error.hpp>

#include "ipc/manager/launch.hpp"
#include "ipc/manager/remote_store.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/private_folder.hpp"
#include "ipc/transport/address.hpp"

namespace ipc {

using detail::Deadline;
using detail::Op;
using detail::Request;

namespace manager {

namespace {

ServerOptions server_options(const ManagerOptions& options) {
  return {.address = options.address,
          .authkey = options.authkey,
          .certificates = options.tls,
          .tls = options.tls.given() ? transport::TlsContext::for_server(options.tls) : nullptr,
          .max_message_size = options.max_message_size,
          .max_connections = options.max_connections,
          .greeting_timeout = options.handshake_timeout.get(),
          .host_timeout = options.host_timeout.get(),
          .initializer = options.initializer};
}

Access access_of(std::string address, const ManagerOptions& options) {
  return {.address = std::move(address), .key = options.authkey, .tls = options.tls, .host_timeout = options.host_timeout.get()};
}

}  // namespace

/// What a `Manager` hides: a way to the server and, in the process that started it, that process.
class ManagerCore {
 public:
  explicit ManagerCore(std::shared_ptr<detail::ObjectStore> store) : store_(std::move(store)) {}
  ManagerCore(LaunchedServer server, const ManagerOptions& options)
      : process_(std::move(server.process)),
        owner_(os::process_id()),
        store_(RemoteStore::connect(access_of(server.address, options), options.handshake_timeout.get())) {}
  ManagerCore(const ManagerCore&) = delete;
  ManagerCore& operator=(const ManagerCore&) = delete;
  ~ManagerCore() {
    if (!owns()) return;
    try {
      shut_down();
      clear_up();
    } catch (const std::exception&) {  // Its end is all that was wanted.
    }
  }

  const std::shared_ptr<detail::ObjectStore>& store() const noexcept { return store_; }

  void shut_down() {
    try {
      Request(store_, Op::shut_down, 0).send();
    } catch (const ManagerLost&) {  // That is what was wanted.
    }
    if (!owns()) return;
    constexpr std::chrono::seconds patience(5);
    const std::lock_guard guard(mutex_);
    if (process_.wait(Deadline::after(patience))) return;
    process_.signal(SIGTERM);
    if (process_.wait(Deadline::after(patience))) return;
    process_.signal(SIGKILL);
    process_.wait(Deadline::never());
  }

  void join() {
    store_->wait_for_end();
    if (!owns()) return;
    process_.wait(Deadline::never());
    clear_up();
  }

 private:
  /// What the server left behind if it was killed.
  void clear_up() const {
    const auto place = transport::Address::parse(store_->address());
    if (place.family == transport::Address::Family::unix_socket) os::remove_abandoned_folder(place.path);
  }
  /// A forked child has an object that looks as its parent's.
  bool owns() const noexcept { return process_ && owner_ == os::process_id(); }

  std::mutex mutex_;
  process::Child process_;
  pid_t owner_ = 0;
  std::shared_ptr<detail::ObjectStore> store_;
};

}  // namespace manager

Manager::Manager(const ManagerOptions& options)
    : core_(std::make_shared<manager::ManagerCore>(manager::launch_server(manager::server_options(options)), options)) {}

Manager Manager::connect(std::string_view address, const ManagerOptions& options) {
  if (!options.address.empty()) throw std::invalid_argument("Manager::connect: the address is given twice.");
  return Manager(std::make_shared<manager::ManagerCore>(
      manager::RemoteStore::connect(manager::access_of(std::string(address), options), options.handshake_timeout.get())));
}

Manager Manager::over(std::shared_ptr<detail::ObjectStore> store) {
  return Manager(std::make_shared<manager::ManagerCore>(std::move(store)));
}

void Manager::serve(const ManagerOptions& options) {
  if (options.initializer) options.initializer();
  manager::Server server(manager::server_options(options));
  if (options.on_serving) options.on_serving(server.address());
  server.run();
}

const std::string& Manager::address() const { return core_->store()->address(); }
void Manager::shutdown() const { core_->shut_down(); }
void Manager::join() const { core_->join(); }

std::size_t Manager::number_of_objects() const {
  return static_cast<std::size_t>(Request(store(), Op::number, 0).send().in().raw<std::uint64_t>());
}

namespace {

/// Of the server's machine, not of this one.
constexpr int as_many_as_fit = 0;

int checked(int processes) {
  if (processes < 1) throw std::invalid_argument("A pool needs at least 1 process, not " + std::to_string(processes) + ".");
  return processes;
}

}  // namespace

PoolProxy Manager::Pool(const Named& name) const { return make_pool(name, {.processes = as_many_as_fit}, nullptr); }
PoolProxy Manager::Pool(const Named& name, int processes) const { return make_pool(name, {.processes = checked(processes)}, nullptr); }
PoolProxy Manager::Pool(const Named& name, const PoolOptions& options) const {
  checked(options.processes);
  return make_pool(name, options, nullptr);
}

PoolProxy Manager::make_pool(const Named& name, const PoolOptions& options, const detail::Message* initializer) const {
  if (options.initializer || options.worker_exit) {
    throw NotShippable(
        "PoolOptions::initializer and worker_exit may hold anything, so they cannot be shipped to a manager. Use Pool(options, f, args...) "
        "with a function that can be shipped.");
  }
  if (options.max_tasks_per_child && *options.max_tasks_per_child < 1) {
    throw std::invalid_argument("max_tasks_per_child must be at least 1, not " + std::to_string(*options.max_tasks_per_child) +
                                "; leave it out for no limit.");
  }
  const detail::ManagedPoolTerms terms{.processes = options.processes,
                                       .max_tasks_per_child = options.max_tasks_per_child.value_or(0),
                                       .initializer_timeout = options.initializer_timeout.get().count(),
                                       .max_rss = options.max_rss.value_or(0),
                                       .start_method = options.start_method};
  return make<PoolProxy>(Kind::pool, 0, name, [&](Request& request) {
    request.raw(terms).raw(std::uint64_t{options.name.size()}).writer().bytes(options.name.data(), options.name.size());
    if (initializer != nullptr) request.put_encoded(*initializer);
  });
}

std::shared_ptr<detail::ObjectStore> Manager::store() const { return core_->store(); }

detail::ObjectId Manager::id_here(const detail::ProxyBase& proxy) const {
  if (proxy.reference().server() != core_->store()->server()) throw UsageError("A condition's lock must be of the same manager.");
  return proxy.reference().id();
}

}  // namespace ipc
