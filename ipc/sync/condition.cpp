#include "ipc/sync/condition.hpp"

#include <atomic>
#include <new>
#include <span>
#include <stdexcept>
#include <string>

#include <ipc/condition.hpp>
#include <ipc/error.hpp>
#include <ipc/rlock.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/futex.hpp"
#include "ipc/shm/object.hpp"

namespace ipc {
namespace sync {
namespace {

void require_mine(const LockState& lock, const char* what) {
  if (!lock.is_mine()) throw UsageError(what);
}

/// The kernel and the atomics agree on what lies there.
std::atomic<std::uint32_t>& futex_word(std::atomic<WaiterState>& state) noexcept {
  static_assert(sizeof state == sizeof(std::atomic<std::uint32_t>));
  return reinterpret_cast<std::atomic<std::uint32_t>&>(state);
}

}  // namespace

/// What the protocol runs on.
class ConditionState::Memory {
 public:
  static constexpr std::uint32_t capacity = ConditionState::capacity;

  Memory(ConditionState& condition, LockState& lock) noexcept : condition_(condition), lock_(lock) {}

  // Acquire and release: nothing rests on them, since the lock comes after; they are the natural pair.
  WaiterState state(std::uint32_t i) const noexcept { return slot(i).state.load(std::memory_order_acquire); }
  void store(std::uint32_t i, WaiterState state) noexcept { slot(i).state.store(state, std::memory_order_release); }
  bool exchange(std::uint32_t i, WaiterState from, WaiterState to) noexcept {
    return slot(i).state.compare_exchange_strong(from, to, std::memory_order_acq_rel);
  }
  os::FutexResult sleep(std::uint32_t i, detail::Deadline deadline) {
    return os::futex_wait_slice(futex_word(slot(i).state), static_cast<std::uint32_t>(WaiterState::waiting), deadline);
  }
  void wake(std::uint32_t i) { os::futex_wake(futex_word(slot(i).state), 1); }

  void lock_alive(std::uint32_t i) {
    if (slot(i).alive.lock() == os::LockOutcome::acquired_after_death) slot(i).alive.make_consistent();
  }
  os::LockOutcome try_lock_alive(std::uint32_t i) { return slot(i).alive.try_lock(); }
  void unlock_alive(std::uint32_t i, os::LockOutcome outcome) {
    if (outcome == os::LockOutcome::acquired_after_death) slot(i).alive.make_consistent();
    slot(i).alive.unlock();
  }

  std::uint64_t order(std::uint32_t i) const noexcept { return slot(i).order; }
  void set_order(std::uint32_t i, std::uint64_t order) noexcept { slot(i).order = order; }
  std::uint64_t next_order() noexcept { return ++condition_.next_order; }
  // Relaxed: read without the lock by heirs, to whom a slot that has just been added says nothing.
  std::uint32_t ready() const noexcept { return std::atomic_ref(condition_.ready).load(std::memory_order_relaxed); }
  void add_slot() {
    new (condition_.slots.data() + condition_.ready * shm::mutex_stride) WaiterSlot();
    // Release: who comes after our death finds it constructed if it is counted.
    std::atomic_ref(condition_.ready).store(condition_.ready + 1, std::memory_order_release);
  }

  std::uint32_t release_lock() { return lock_.release_all(); }
  void acquire_lock(std::uint32_t times) { lock_.acquire_again(times); }

  template <class Ready>
  bool spin(Ready ready) {
    return budget().spin(ready);
  }
  void woke() noexcept { budget().woke(); }

 private:
  static base::SpinBudget& budget() noexcept {
    static thread_local base::SpinBudget budget(os::allowed_cpus());
    return budget;
  }
  WaiterSlot& slot(std::uint32_t i) const noexcept { return condition_.slot(i); }

  ConditionState& condition_;
  LockState& lock_;
};

bool ConditionState::wait(LockState& lock, detail::Deadline deadline) {
  require_mine(lock, "This thread does not hold the condition's lock, and cannot wait.");
  Memory memory(*this, lock);
  using Protocol = ConditionProtocol<Memory>;
  const auto result = Protocol(memory).wait(deadline);
  if (result == Protocol::Result::full) throw UsageError("More than " + std::to_string(capacity) + " threads wait for one condition.");
  return result == Protocol::Result::notified;
}

void ConditionState::notify(LockState& lock, std::uint32_t n) {
  require_mine(lock, "This thread does not hold the condition's lock, and cannot notify.");
  Memory memory(*this, lock);
  ConditionProtocol<Memory>(memory).notify(n);
}

}  // namespace sync

Condition::Condition() : Condition(RLock()) {}
Condition::Condition(detail::LockHandle lock) : lock_(std::move(lock)), state_(shm::make_object<sync::ConditionState>()) {}
Condition Condition::named(std::string_view name, detail::NameUse use) {
  using sync::ConditionState;
  using sync::LockState;
  const auto parts = shm::Heap::instance()
                         .named({shm::Name(name),
                                 use,
                                 detail::type_tag_of(typeid(Condition)),
                                 detail::type_name<Condition>(),
                                 {{{LockState::kind, sizeof(LockState), LockState::mutexes}, sizeof(LockState)},
                                  {{ConditionState::kind, sizeof(ConditionState), ConditionState::mutexes}, sizeof(ConditionState)}},
                                 [](std::span<std::byte* const> at) {
                                   new (at[0]) LockState(true);
                                   new (at[1]) ConditionState();
                                 }})
                         .parts;
  return {detail::LockHandle({parts[0], reinterpret_cast<LockState*>(parts[0].get())}),
          {parts[1], reinterpret_cast<ConditionState*>(parts[1].get())}};
}
Condition::Condition(detail::LockHandle lock, std::shared_ptr<sync::ConditionState> state) noexcept
    : lock_(std::move(lock)), state_(std::move(state)) {}

bool Condition::wait_by(detail::Deadline deadline) const { return state_->wait(*lock_.state(), deadline); }
void Condition::require_lock() const {
  sync::require_mine(*lock_.state(), "This thread does not hold the condition's lock, and cannot wait.");
}

void Condition::notify(int n) const {
  if (n < 0) throw std::invalid_argument("A condition cannot notify " + std::to_string(n) + " waiters.");
  state_->notify(*lock_.state(), static_cast<std::uint32_t>(n));
}
void Condition::notify_all() const { state_->notify(*lock_.state(), UINT32_MAX); }

void Condition::ipc_encode(detail::Writer& writer) const {
  lock_.ipc_encode(writer);
  shm::encode_object(writer, state_);
}
Condition Condition::ipc_decode(detail::Reader& reader) {
  auto lock = detail::LockHandle::ipc_decode(reader);
  return {std::move(lock), shm::decode_object<sync::ConditionState>(reader)};
}

}  // namespace ipc
