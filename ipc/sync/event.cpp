#include "ipc/sync/event.hpp"

#include <ipc/event.hpp>

#include "ipc/shm/object.hpp"

namespace ipc {
namespace sync {

void EventState::set() {
  std::uint32_t value = word.load(std::memory_order_relaxed);
  // SYNC POINT "event". Also when it is set already: that the word is written again hands over what was done before.
  while (!word.compare_exchange_weak(value, (value & 1) != 0 ? value : value + 3, std::memory_order_release, std::memory_order_relaxed)) {
  }
  IPC_KILL_POINT("event.set");
  waiters.notify_all();
}

void EventState::clear() noexcept {
  // Relaxed: a cleared event promises nothing.
  word.fetch_and(~std::uint32_t{1}, std::memory_order_relaxed);
}

bool EventState::wait(detail::Deadline deadline) {
  const std::uint32_t before = word.load(std::memory_order_acquire);
  if ((before & 1) != 0) return true;
  return waiters.wait([&] { return word.load(std::memory_order_acquire) != before; }, deadline);
}

}  // namespace sync

Event::Event() : state_(shm::make_object<sync::EventState>()) {}
Event Event::named(std::string_view name, detail::NameUse use) { return Event(shm::named_object<Event, sync::EventState>(name, use)); }
Event::Event(std::shared_ptr<sync::EventState> state) noexcept : state_(std::move(state)) {}

void Event::set() const { state_->set(); }
void Event::clear() const { state_->clear(); }
bool Event::is_set() const { return state_->is_set(); }
bool Event::wait() const { return state_->wait(detail::Deadline::never()); }
bool Event::wait_by(detail::Deadline deadline) const { return state_->wait(deadline); }

void Event::ipc_encode(detail::Writer& writer) const { shm::encode_object(writer, state_); }
Event Event::ipc_decode(detail::Reader& reader) { return Event(shm::decode_object<sync::EventState>(reader)); }

}  // namespace ipc
