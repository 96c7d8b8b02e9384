#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <span>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/wait_hook.hpp>
#include <ipc/fd.hpp>

namespace ipc {

/// What `wait` can wait for: connections, queues and results (ready when there is something to receive or get), processes
/// (when they have ended), `Fd`s and descriptors (when they are readable or at their end). Made where `wait` is called; refers
/// to the object.
class Waitable {
 public:
  /// Throws `std::invalid_argument` for a negative descriptor.
  Waitable(int fd);                               // NOLINT(google-explicit-constructor): written as an element of a list.
  Waitable(const Fd& fd) : Waitable(fd.get()) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  requires requires(const T& object) {
    { object.ipc_wait_hook() } -> std::same_as<detail::WaitHook>;
  }
  Waitable(const T& object) : hook_(object.ipc_wait_hook()) {}  // NOLINT(google-explicit-constructor)
  template <class T>
  requires requires(const T& process) {
    { process.sentinel() } -> std::same_as<int>;
  }
  Waitable(const T& process) : Waitable(process.sentinel()) {}  // NOLINT(google-explicit-constructor)

  const detail::WaitHook& hook() const noexcept { return hook_; }

 private:
  detail::WaitHook hook_;
};

namespace detail {

std::vector<std::size_t> wait_for_any(std::span<const Waitable> objects, Deadline deadline);

}  // namespace detail

/// Waits until at least one of the objects is ready, and returns the indices of all that are, in order; nothing is taken from
/// them. Whoever is ready stays so until somebody receives. A descriptor that is not open throws `std::system_error` (EBADF).
/// Counts as receiving: nobody else may receive from these connections meanwhile.
inline std::vector<std::size_t> wait(std::span<const Waitable> objects) { return detail::wait_for_any(objects, detail::Deadline::never()); }
/// Returns nothing when none is ready in time. Zero or negative only looks.
template <class Rep, class Period>
std::vector<std::size_t> wait(std::span<const Waitable> objects, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_for_any(objects, detail::Deadline::after(timeout));
}
inline std::vector<std::size_t> wait(std::initializer_list<Waitable> objects) {
  return detail::wait_for_any({objects.begin(), objects.size()}, detail::Deadline::never());
}
template <class Rep, class Period>
std::vector<std::size_t> wait(std::initializer_list<Waitable> objects, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_for_any({objects.begin(), objects.size()}, detail::Deadline::after(timeout));
}

}  // namespace ipc
