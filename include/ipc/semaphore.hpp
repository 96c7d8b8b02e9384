#pragma once

#include <chrono>
#include <memory>
#include <string_view>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/name_use.hpp>

namespace ipc {

namespace detail {
class Reader;
class Writer;
}  // namespace detail
namespace sync {
struct SemaphoreState;
}  // namespace sync

/// A count of units that any thread of any process takes and gives; taking waits while there are none.
/// A process that dies with units takes them with it (nobody knows whose they were); one that dies waiting harms nobody.
/// Any thread may use one handle at the same time as others.
class Semaphore {
 public:
  /// Throws `std::invalid_argument` when `n` is negative, `std::system_error`.
  explicit Semaphore(int n = 1);
  /// A named one for unrelated processes: see unlink.hpp.
  static Semaphore create(std::string_view name, int n = 1) { return named(name, detail::NameUse::create, n); }
  static Semaphore open(std::string_view name) { return named(name, detail::NameUse::open, 0); }
  static Semaphore open_or_create(std::string_view name, int n = 1) { return named(name, detail::NameUse::open_or_create, n); }

  void acquire() const;
  [[nodiscard]] bool try_acquire() const;
  template <class Rep, class Period>
  [[nodiscard]] bool try_acquire_for(std::chrono::duration<Rep, Period> time) const {
    return acquire_by(detail::Deadline::after(time));
  }
  /// Throws `std::invalid_argument` when `n` is not positive, `std::overflow_error` when the count would pass 2147483647.
  void release(int n = 1) const;
  int get_value() const;

  /// Whether both are handles of the same semaphore.
  friend bool operator==(const Semaphore&, const Semaphore&) = default;

  void ipc_encode(detail::Writer& writer) const;
  static Semaphore ipc_decode(detail::Reader& reader);

 protected:
  explicit Semaphore(std::shared_ptr<sync::SemaphoreState> state) noexcept;

 private:
  static Semaphore named(std::string_view name, detail::NameUse use, int n);
  bool acquire_by(detail::Deadline deadline) const;

  std::shared_ptr<sync::SemaphoreState> state_;
};

/// A semaphore that never has more units than it began with: `release` beyond that throws `std::invalid_argument`, checked
/// and done in one step.
class BoundedSemaphore : public Semaphore {
 public:
  explicit BoundedSemaphore(int n = 1);
  /// As `Semaphore`'s. `open_or_create` throws `UsageError` when there is one with another bound.
  static BoundedSemaphore create(std::string_view name, int n = 1) { return named(name, detail::NameUse::create, n); }
  static BoundedSemaphore open(std::string_view name) { return named(name, detail::NameUse::open, 0); }
  static BoundedSemaphore open_or_create(std::string_view name, int n = 1) { return named(name, detail::NameUse::open_or_create, n); }
  static BoundedSemaphore ipc_decode(detail::Reader& reader);

 private:
  static BoundedSemaphore named(std::string_view name, detail::NameUse use, int n);
  explicit BoundedSemaphore(Semaphore semaphore) noexcept;
  explicit BoundedSemaphore(std::shared_ptr<sync::SemaphoreState> state) noexcept;
};

}  // namespace ipc
