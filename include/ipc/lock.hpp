#pragma once

#include <string_view>
#include <utility>

#include <ipc/detail/lock_handle.hpp>
#include <ipc/detail/name_use.hpp>

namespace ipc {

/// A lock that a thread takes once: `std::scoped_lock guard(lock);`. Taking it twice throws `UsageError`; `try_lock` of
/// one's own is false. For the rest see `detail::LockHandle`.
class Lock : public detail::LockHandle {
 public:
  /// A new, free lock. Throws `std::system_error`.
  Lock();
  /// A named one for unrelated processes: see unlink.hpp.
  static Lock create(std::string_view name) { return named(name, detail::NameUse::create); }
  static Lock open(std::string_view name) { return named(name, detail::NameUse::open); }
  static Lock open_or_create(std::string_view name) { return named(name, detail::NameUse::open_or_create); }
  static Lock ipc_decode(detail::Reader& reader);

 private:
  static Lock named(std::string_view name, detail::NameUse use);
  explicit Lock(detail::LockHandle handle) noexcept : LockHandle(std::move(handle)) {}
};

}  // namespace ipc
