#include "ipc/sync/barrier.hpp"

#include <chrono>
#include <limits>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include <ipc/barrier.hpp>
#include <ipc/error.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/scope_exit.hpp"
#include "ipc/shm/object.hpp"

namespace ipc {
namespace sync {
namespace {

constexpr std::chrono::milliseconds look_for_dead_every(200);

[[noreturn]] void throw_broken() {
  throw BrokenBarrier("The barrier is broken: a party timed out, aborted or reset it, threw in its action, or died.");
}

}  // namespace

BarrierState::BarrierState(std::uint32_t parties_, std::int64_t timeout_ns_) : parties(parties_), timeout_ns(timeout_ns_) {
  for (std::uint32_t i = 0; i < places(); ++i) new (&place(i)) BarrierPlace();
}

auto BarrierState::lock() {
  return os::RobustGuard(mutex, [this] {
    // The dead one was arriving, or in the action. Whoever waits here waits for a party that is no more.
    if (acting != 0 || count_arrived() != 0) break_round();
    acting = 0;
  });
}

bool BarrierState::waits(std::uint32_t index) const noexcept {
  const BarrierPlace& at = place(index);
  return at.occupied.load(std::memory_order_acquire) != 0 &&
         at.round.load(std::memory_order_relaxed) == round.load(std::memory_order_relaxed);  // Relaxed: under the mutex, or a snapshot.
}

std::uint32_t BarrierState::count_arrived() const noexcept {
  std::uint32_t count = 0;
  for (std::uint32_t i = 0; i < places(); ++i) count += waits(i) ? 1 : 0;
  return count;
}

/// If the place is a dead party's, frees it and returns true.
bool BarrierState::bury(BarrierPlace& at) {
  const os::LockOutcome outcome = at.alive.try_lock();
  if (outcome != os::LockOutcome::acquired && outcome != os::LockOutcome::acquired_after_death) return false;
  // A party that has just left clears `occupied` first, and lets go of `alive` then.
  const bool dead = at.occupied.exchange(0, std::memory_order_acq_rel) != 0;
  if (outcome == os::LockOutcome::acquired_after_death) at.alive.make_consistent();
  at.alive.unlock();
  return dead;
}

bool BarrierState::bury_waiting() {
  bool found = false;
  for (std::uint32_t i = 0; i < places(); ++i) {
    if (waits(i) && bury(place(i))) found = true;
  }
  return found;
}

BarrierPlace* BarrierState::free_place() {
  for (std::uint32_t i = 0; i < places(); ++i) {
    if (place(i).occupied.load(std::memory_order_acquire) == 0 || (!waits(i) && bury(place(i)))) return &place(i);
  }
  return nullptr;
}

bool BarrierState::has_free_place() const noexcept {
  for (std::uint32_t i = 0; i < places(); ++i) {
    if (place(i).occupied.load(std::memory_order_acquire) == 0) return true;
  }
  return false;
}

void BarrierState::break_round() noexcept {
  for (std::uint32_t i = 0; i < places(); ++i) {
    if (waits(i)) place(i).broken.store(1, std::memory_order_release);
  }
  broken_round.store(round.load(std::memory_order_relaxed), std::memory_order_release);
}

bool BarrierState::broken() const noexcept { return broken_round.load(std::memory_order_acquire) == round.load(std::memory_order_acquire); }

std::uint32_t BarrierState::waiting() const noexcept { return broken() ? 0 : count_arrived(); }

BarrierState::Arrival BarrierState::arrive(const std::function<void()>& action) {
  const base::ScopeExit tell([this] { changed.notify_all(); });  // When the mutex has been given back.
  const auto guard = lock();
  IPC_KILL_POINT("barrier.entered");
  if (broken()) throw_broken();
  if (bury_waiting()) {
    break_round();
    throw_broken();
  }
  Arrival arrival;
  arrival.round = round.load(std::memory_order_relaxed);
  arrival.index = count_arrived();
  if (arrival.index + 1 == parties) {
    acting = 1;
    IPC_KILL_POINT("barrier.acting");
    try {
      if (action) action();
    } catch (...) {
      acting = 0;
      break_round();
      throw;
    }
    acting = 0;
    // SYNC POINT "round": release, with the acquire of those who wait for it. What any party did before it came is seen by
    // all who pass: they came in through the mutex, one after the other.
    round.store(arrival.round + 1, std::memory_order_release);
    IPC_KILL_POINT("barrier.passed");
    arrival.passed = true;
    return arrival;
  }
  arrival.place = free_place();
  if (arrival.place == nullptr) return arrival;
  BarrierPlace& own = *arrival.place;
  if (own.alive.lock() == os::LockOutcome::acquired_after_death) own.alive.make_consistent();
  own.round.store(arrival.round, std::memory_order_relaxed);
  own.broken.store(0, std::memory_order_relaxed);
  own.occupied.store(1, std::memory_order_release);
  IPC_KILL_POINT("barrier.arrived");
  return arrival;
}

void BarrierState::wait_for_round(const Arrival& own, detail::Deadline deadline) {
  BarrierPlace& at = *own.place;
  const auto over = [&] { return round.load(std::memory_order_acquire) != own.round || at.broken.load(std::memory_order_acquire) != 0; };
  while (!changed.wait(over, earlier(deadline, detail::Deadline::after(look_for_dead_every)))) {
    {
      const auto guard = lock();
      if (over() || (!deadline.expired() && !bury_waiting())) continue;
      break_round();
    }
    changed.notify_all();
  }
  IPC_KILL_POINT("barrier.leaving");
  const bool was_broken = at.broken.load(std::memory_order_acquire) != 0;
  at.occupied.store(0, std::memory_order_release);
  at.alive.unlock();
  changed.notify_all();  // Somebody of the next round may need the place.
  if (was_broken) throw_broken();
}

std::uint32_t BarrierState::wait(const std::function<void()>& action, detail::Deadline deadline) {
  for (;;) {
    const Arrival arrival = arrive(action);
    if (arrival.passed) return arrival.index;
    if (arrival.place != nullptr) {
      wait_for_round(arrival, deadline);
      return arrival.index;
    }
    // Parties of the last round are still leaving: until a place is free, or others took them all and this is the last one
    // to come. A party that died leaving tells nobody.
    changed.wait([this] { return broken() || has_free_place() || count_arrived() + 1 == parties; },
                 earlier(deadline, detail::Deadline::after(look_for_dead_every)));
    if (deadline.expired()) {
      abort();
      throw_broken();
    }
  }
}

void BarrierState::abort() {
  const base::ScopeExit tell([this] { changed.notify_all(); });
  const auto guard = lock();
  break_round();
}

void BarrierState::reset() {
  const base::ScopeExit tell([this] { changed.notify_all(); });
  const auto guard = lock();
  if (count_arrived() != 0) break_round();
  IPC_KILL_POINT("barrier.resetting");
  round.store(round.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

}  // namespace sync

namespace {

/// Each has its place in memory from the beginning.
constexpr int most_parties = 1'000'000;

std::uint32_t checked_parties(int parties) {
  if (parties < 1) throw std::invalid_argument("A barrier needs at least one party, not " + std::to_string(parties) + ".");
  if (parties > most_parties) {
    throw std::invalid_argument("A barrier has at most " + std::to_string(most_parties) + " parties, not " + std::to_string(parties) + ".");
  }
  return static_cast<std::uint32_t>(parties);
}

std::int64_t nanoseconds(detail::TimeLimit timeout) noexcept { return timeout ? timeout.get().count() : -1; }

shm::Arena::Request room_for(std::uint32_t parties) {
  return {sync::BarrierState::kind, sync::BarrierState::size_for(parties), parties + 1};
}

std::shared_ptr<sync::BarrierState> make_barrier(std::uint32_t parties, std::int64_t timeout_ns) {
  const auto bytes =
      shm::Heap::instance().make(room_for(parties), [&](std::byte* at) { new (at) sync::BarrierState(parties, timeout_ns); });
  return {bytes, reinterpret_cast<sync::BarrierState*>(bytes.get())};
}

bool is_whole(const sync::BarrierState& state) {
  const std::size_t room = shm::Heap::instance().capacity(reinterpret_cast<const std::byte*>(&state));
  return state.parties != 0 && room >= sync::BarrierState::size_for(state.parties);
}

}  // namespace

Barrier::Barrier(int parties, std::function<void()> action, detail::TimeLimit timeout)
    : state_(make_barrier(checked_parties(parties), nanoseconds(timeout))), action_(std::move(action)) {}
Barrier::Barrier(std::shared_ptr<sync::BarrierState> state, std::function<void()> action) noexcept
    : state_(std::move(state)), action_(std::move(action)) {}

Barrier Barrier::named(std::string_view name, detail::NameUse use, int parties, std::function<void()> action, detail::TimeLimit timeout) {
  const std::uint32_t count = checked_parties(parties);
  const auto object =
      shm::Heap::instance().named({shm::Name(name),
                                   use,
                                   detail::type_tag_of(typeid(Barrier)),
                                   detail::type_name<Barrier>(),
                                   {{room_for(count), sizeof(sync::BarrierState)}},
                                   [&](std::span<std::byte* const> at) { new (at[0]) sync::BarrierState(count, nanoseconds(timeout)); }});
  std::shared_ptr<sync::BarrierState> state(object.parts[0], reinterpret_cast<sync::BarrierState*>(object.parts[0].get()));
  if (!is_whole(*state)) throw UsageError("The barrier named \"" + std::string(name) + "\" is damaged.");
  if (use == detail::NameUse::open_or_create && state->parties != count) {
    throw UsageError("The barrier named \"" + std::string(name) + "\" is for " + std::to_string(state->parties) + " parties, not " +
                     std::to_string(count) + ".");
  }
  return Barrier(std::move(state), std::move(action));
}

int Barrier::wait() const {
  const std::int64_t timeout = state_->timeout_ns;
  return wait_by(timeout < 0 ? detail::Deadline::never() : detail::Deadline::after(std::chrono::nanoseconds(timeout)));
}
int Barrier::wait_by(detail::Deadline deadline) const { return static_cast<int>(state_->wait(action_, deadline)); }
void Barrier::abort() const { state_->abort(); }
void Barrier::reset() const { state_->reset(); }
int Barrier::parties() const { return static_cast<int>(state_->parties); }
int Barrier::n_waiting() const { return static_cast<int>(state_->waiting()); }
bool Barrier::broken() const { return state_->broken(); }

void Barrier::ipc_encode(detail::Writer& writer) const {
  if (action_) throw NotShippable("A Barrier with an action reaches other processes by fork only: the action is a function of this one.");
  shm::encode_object(writer, state_);
}

Barrier Barrier::ipc_decode(detail::Reader& reader) {
  auto state = shm::decode_object<sync::BarrierState>(reader);
  if (!is_whole(*state)) throw EncodingError("A barrier is shorter than its parties need.");
  return Barrier(std::move(state));
}

}  // namespace ipc
