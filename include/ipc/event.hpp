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
struct EventState;
}  // namespace sync

/// A flag that threads of all processes can wait for. A `set` that is followed by `clear` at once still ends every wait that
/// had begun before it. Killing whoever waits, or sets, harms nobody. Any thread may use one handle at the same time as others.
class Event {
 public:
  /// A new event, not set. Throws `std::system_error`.
  Event();
  /// A named one for unrelated processes: see unlink.hpp.
  static Event create(std::string_view name) { return named(name, detail::NameUse::create); }
  static Event open(std::string_view name) { return named(name, detail::NameUse::open); }
  static Event open_or_create(std::string_view name) { return named(name, detail::NameUse::open_or_create); }

  void set() const;
  void clear() const;
  [[nodiscard]] bool is_set() const;
  /// Until it is set. Returns true.
  bool wait() const;
  /// Whether it was set in time.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> time) const {
    return wait_by(detail::Deadline::after(time));
  }

  /// Whether both are handles of the same event.
  friend bool operator==(const Event&, const Event&) = default;

  void ipc_encode(detail::Writer& writer) const;
  static Event ipc_decode(detail::Reader& reader);

 private:
  static Event named(std::string_view name, detail::NameUse use);
  explicit Event(std::shared_ptr<sync::EventState> state) noexcept;
  bool wait_by(detail::Deadline deadline) const;

  std::shared_ptr<sync::EventState> state_;
};

}  // namespace ipc
