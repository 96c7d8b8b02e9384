#pragma once

#include <utility>

#include <ipc/detail/lock_handle.hpp>

namespace ipc {

/// A lock that the thread which holds it may take again; it is free after as many `unlock`s. For the rest see
/// `detail::LockHandle`.
class RLock : public detail::LockHandle {
 public:
  /// A new, free lock. Throws `std::system_error`.
  RLock();
  static RLock ipc_decode(detail::Reader& reader);

 private:
  explicit RLock(detail::LockHandle handle) noexcept : LockHandle(std::move(handle)) {}
};

}  // namespace ipc
