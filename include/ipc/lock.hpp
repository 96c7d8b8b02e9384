#pragma once

#include <utility>

#include <ipc/detail/lock_handle.hpp>

namespace ipc {

/// A lock that a thread takes once: `std::scoped_lock guard(lock);`. Taking it twice throws `UsageError`; `try_lock` of
/// one's own is false. For the rest see `detail::LockHandle`.
class Lock : public detail::LockHandle {
 public:
  /// A new, free lock. Throws `std::system_error`.
  Lock();
  static Lock ipc_decode(detail::Reader& reader);

 private:
  explicit Lock(detail::LockHandle handle) noexcept : LockHandle(std::move(handle)) {}
};

}  // namespace ipc
