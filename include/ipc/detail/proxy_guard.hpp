#pragma once

#include <exception>
#include <mutex>
#include <optional>
#include <utility>

#include <ipc/detail/reference.hpp>
#include <ipc/sync_proxies.hpp>

namespace ipc::detail {

/// The lock that a managed value or array has for its clients; fetched when it is first asked for. Any thread.
class OwnLockProxy {
 public:
  const RLockProxy& of(const ProxyBase& object);

 private:
  std::once_flag once_;
  std::optional<RLockProxy> lock_;
};

/// Holds a manager's lock for the time of a scope. That the manager is lost at the end of it, and the lock with it, is no error.
class HeldLock {
 public:
  explicit HeldLock(RLockProxy lock) : lock_(std::move(lock)) { lock_.lock(); }
  HeldLock(const HeldLock&) = delete;
  HeldLock& operator=(const HeldLock&) = delete;
  ~HeldLock() {
    try {
      lock_.unlock();
    } catch (const std::exception&) {
    }
  }
  bool recovered() const { return lock_.recovered(); }

 private:
  RLockProxy lock_;
};

/// A copy of what is in a managed value or array while this holds its lock: fetched at the beginning and stored at the end, in one
/// step, over what this thread has changed in other ways meanwhile. If this process dies in between, it is as before.
template <class Proxy, class Content>
class ProxyGuard {
 public:
  explicit ProxyGuard(const Proxy& proxy) : proxy_(proxy), lock_(proxy.get_lock()), content_(proxy.get_value()) {}
  ProxyGuard(const ProxyGuard&) = delete;
  ProxyGuard& operator=(const ProxyGuard&) = delete;
  ~ProxyGuard() {
    try {
      store();
    } catch (const std::exception&) {
    }
  }
  /// Stores it now, and throws why that cannot be; at the end nobody would hear of it.
  void store() const { proxy_.store(std::as_const(content_)); }
  /// As `RLockProxy::recovered`: the last holder died, before it stored anything.
  bool recovered() const { return lock_.recovered(); }

 protected:
  Content& content() const noexcept { return content_; }

 private:
  Proxy proxy_;
  HeldLock lock_;
  mutable Content content_;  // The guard is a pointer to it.
};

}  // namespace ipc::detail
