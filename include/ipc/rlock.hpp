#pragma once

#include <string_view>
#include <utility>

#include <ipc/detail/lock_handle.hpp>
#include <ipc/detail/name_use.hpp>

namespace ipc {

/// A lock that the thread which holds it may take again; it is free after as many `unlock`s. For the rest see
/// `detail::LockHandle`.
class RLock : public detail::LockHandle {
 public:
  /// A new, free lock. Throws `std::system_error`.
  RLock();
  /// A named one for unrelated processes: see unlink.hpp.
  static RLock create(std::string_view name) { return named(name, detail::NameUse::create); }
  static RLock open(std::string_view name) { return named(name, detail::NameUse::open); }
  static RLock open_or_create(std::string_view name) { return named(name, detail::NameUse::open_or_create); }
  static RLock ipc_decode(detail::Reader& reader);

 private:
  static RLock named(std::string_view name, detail::NameUse use);
  explicit RLock(detail::LockHandle handle) noexcept : LockHandle(std::move(handle)) {}
};

}  // namespace ipc
