#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/name_use.hpp>
#include <ipc/detail/time_limit.hpp>

namespace ipc {

namespace detail {
class Reader;
class Writer;
}  // namespace detail
namespace sync {
struct BarrierState;
}  // namespace sync

/// Where a number of threads, of any processes, wait until all of them have come; then all go on, and it can be used again.
///
/// It breaks when a wait times out, when somebody calls `abort` or `reset`, when the action throws, or when a party dies
/// while it waits or runs the action: then all who wait, and all who come, get `BrokenBarrier`, until `reset`. A party that
/// dies elsewhere is only not coming: against that, wait with a time-out.
/// Any thread may use one handle at the same time as others.
class Barrier {
 public:
  /// `action` is run by the last one to come, before the others go on, and must not use the barrier. `timeout` is for waits
  /// without a time of their own. Throws `std::invalid_argument` unless `parties` is positive and at most a million,
  /// `std::system_error`.
  explicit Barrier(int parties, std::function<void()> action = {}, detail::TimeLimit timeout = {});
  /// A named one for unrelated processes: see unlink.hpp. The time-out is its maker's. An action is code of one program: it
  /// runs when a handle that was given one is the last to come, so all programs are to give theirs.
  /// `open_or_create` throws `UsageError` when there is one for another number of parties.
  static Barrier create(std::string_view name, int parties, std::function<void()> action = {}, detail::TimeLimit timeout = {}) {
    return named(name, detail::NameUse::create, parties, std::move(action), timeout);
  }
  static Barrier open(std::string_view name, std::function<void()> action = {}) {
    return named(name, detail::NameUse::open, 1, std::move(action), {});
  }
  static Barrier open_or_create(std::string_view name, int parties, std::function<void()> action = {}, detail::TimeLimit timeout = {}) {
    return named(name, detail::NameUse::open_or_create, parties, std::move(action), timeout);
  }

  /// Returns the order of arrival, from 0 to `parties() - 1`. Throws `BrokenBarrier`; for the last one, what the action threw.
  int wait() const;
  template <class Rep, class Period>
  int wait_for(std::chrono::duration<Rep, Period> time) const {
    return wait_by(detail::Deadline::after(time));
  }
  /// Breaks it, until `reset`.
  void abort() const;
  /// Those who wait get `BrokenBarrier`; after that it is as new.
  void reset() const;

  int parties() const;
  /// How many wait now; 0 when it is broken.
  int n_waiting() const;
  [[nodiscard]] bool broken() const;

  /// Whether both are handles of the same barrier.
  friend bool operator==(const Barrier& a, const Barrier& b) { return a.state_ == b.state_; }

  /// Throws `NotShippable` when there is an action.
  void ipc_encode(detail::Writer& writer) const;
  static Barrier ipc_decode(detail::Reader& reader);

 private:
  static Barrier named(std::string_view name, detail::NameUse use, int parties, std::function<void()> action, detail::TimeLimit timeout);
  explicit Barrier(std::shared_ptr<sync::BarrierState> state, std::function<void()> action = {}) noexcept;
  int wait_by(detail::Deadline deadline) const;

  std::shared_ptr<sync::BarrierState> state_;
  std::function<void()> action_;
};

}  // namespace ipc
