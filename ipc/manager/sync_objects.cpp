#include "ipc/manager/sync_objects.hpp"

#include <limits>
#include <stdexcept>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"

namespace ipc::manager {

// --- locks ---------------------------------------------------------------------------------------------------------------

void Mutex::perform(Call& call) {
  switch (call.op) {
    case Op::lock:
      return lock(call);
    case Op::unlock:
      return unlock(call);
    case Op::recovered:
      call.out.raw(static_cast<std::uint8_t>(recovered(call.owner)));
      return;
    case Op::get:
      call.out.raw(static_cast<std::uint8_t>(held()));
      return;
    default:
      fail_operation();
  }
}

void Mutex::lock(Call& call) {
  if (depth_ == 0) return take(call.owner, 1, call.machine);
  if (held_by(call.owner)) {
    if (recursive_) {
      ++depth_;
      return;
    }
    // With a time limit it is a wait as others.
    if (call.patience < 0) throw UsageError("This thread holds the lock already and would wait for itself; use an RLock to take it again.");
  }
  if (!call.patient()) return call.out.nothing();
  call.wait_in(queue_).amount = 1;
}

void Mutex::unlock(Call& call) {
  require_holder(call.owner);
  if (--depth_ != 0) return;
  call.machine.let_go(holder_, *this);
  pass_on(call.machine);
}

void Mutex::require_holder(const Owner& owner) const {
  if (!held_by(owner)) throw UsageError("This thread does not hold the lock.");
}

void Mutex::take(const Owner& owner, std::size_t depth, Machine& machine) {
  holder_ = owner;
  depth_ = depth;
  recovered_ = std::exchange(abandoned_, false);
  machine.hold(owner, *this);
}

void Mutex::pass_on(Machine& machine) {
  recovered_ = false;
  if (queue_.empty()) return;
  Waiter& next = *queue_.front();
  take(next.owner, next.amount, machine);
  machine.answer(next, next.flag ? Outcome::nothing : Outcome::done);
}

std::size_t Mutex::give_away(const Owner& owner, Machine& machine) {
  require_holder(owner);
  machine.let_go(holder_, *this);
  const std::size_t depth = std::exchange(depth_, 0);
  pass_on(machine);
  return depth;
}

void Mutex::take_back(Waiter& waiter, std::size_t depth, Machine& machine) {
  waiter.amount = depth;
  waiter.line_up(queue_);
  if (depth_ == 0) pass_on(machine);
}

void Mutex::client_gone(std::uint64_t session, Machine& machine) {
  if (depth_ == 0 || holder_.session != session) return;
  depth_ = 0;
  abandoned_ = true;
  pass_on(machine);
}

// --- conditions ----------------------------------------------------------------------------------------------------------

void Condition::perform(Call& call) {
  switch (call.op) {
    case Op::lock:
      return mutex_->lock(call);
    case Op::unlock:
      return mutex_->unlock(call);
    case Op::recovered:
      call.out.raw(static_cast<std::uint8_t>(mutex_->recovered(call.owner)));
      return;
    case Op::get:
      call.out.raw(static_cast<std::uint8_t>(mutex_->held()));
      return;
    case Op::wait: {
      mutex_->require_holder(call.owner);
      // Also a wait without patience lets others have the lock.
      Waiter& waiter = call.wait_in(queue_);
      waiter.amount = mutex_->give_away(call.owner, call.machine);
      if (!call.patient()) give_up(waiter, call.machine);
      return;
    }
    case Op::notify: {
      mutex_->require_holder(call.owner);
      return wake(static_cast<std::size_t>(call.in.raw<std::uint32_t>()), call.machine);
    }
    default:
      fail_operation();
  }
}

void Condition::wake(std::size_t count, Machine& machine) {
  for (; count != 0 && !queue_.empty(); --count) {
    Waiter& waiter = *queue_.front();
    machine.be_patient(waiter);
    mutex_->take_back(waiter, waiter.amount, machine);
  }
}

void Condition::give_up(Waiter& waiter, Machine& machine) {
  // A call that waits for the lock alone.
  if (waiter.op != Op::wait) return Object::give_up(waiter, machine);
  waiter.flag = true;
  machine.be_patient(waiter);
  mutex_->take_back(waiter, waiter.amount, machine);
}

// --- semaphores ----------------------------------------------------------------------------------------------------------

void Semaphore::perform(Call& call) {
  switch (call.op) {
    case Op::lock:
      if (units_ > 0) {
        --units_;
        return;
      }
      if (!call.patient()) return call.out.nothing();
      call.wait_in(queue_);
      return;
    case Op::unlock: {
      const auto count = call.in.raw<std::int32_t>();
      if (count < 1) throw std::invalid_argument("release: the number of units must be positive");
      if (bounded_ && units_ + count > bound_) throw std::invalid_argument("The semaphore would have more units than it began with.");
      if (units_ + count > std::numeric_limits<std::int32_t>::max()) throw std::overflow_error("The semaphore would have too many units.");
      units_ += count;
      for (; units_ > 0 && !queue_.empty(); --units_) call.machine.answer(*queue_.front());
      return;
    }
    case Op::get:
      call.out.raw(static_cast<std::int32_t>(units_));
      return;
    default:
      fail_operation();
  }
}

// --- events --------------------------------------------------------------------------------------------------------------

void Event::perform(Call& call) {
  switch (call.op) {
    case Op::set:
      set_ = true;
      while (!queue_.empty()) call.machine.answer(*queue_.front());
      return;
    case Op::clear:
      set_ = false;
      return;
    case Op::get:
      call.out.raw(static_cast<std::uint8_t>(set_));
      return;
    case Op::wait:
      if (set_) return;
      if (!call.patient()) return call.out.nothing();
      call.wait_in(queue_);
      return;
    default:
      fail_operation();
  }
}

// --- barriers ------------------------------------------------------------------------------------------------------------

namespace {

BrokenBarrier broken_barrier() { return BrokenBarrier("The barrier is broken: somebody aborted or reset it, waited too long or died."); }

}  // namespace

void Barrier::perform(Call& call) {
  switch (call.op) {
    case Op::wait:
      return arrive(call);
    case Op::abort:
      broken_ = true;
      return turn_away(call.machine);
    case Op::clear:
      turn_away(call.machine);
      broken_ = false;
      return;
    case Op::get:
      call.out.raw(parties_);
      call.out.raw(static_cast<std::int32_t>(queue_.size()));
      call.out.raw(static_cast<std::uint8_t>(broken_));
      return;
    default:
      fail_operation();
  }
}

void Barrier::arrive(Call& call) {
  if (broken_) throw broken_barrier();
  const auto index = static_cast<std::int32_t>(queue_.size());
  if (index + 1 < parties_) {
    // The barrier's own time-out is for waits without one.
    if (call.patience == detail::RequestHeader::never) call.patience = patience_;
    if (!call.patient()) {
      broken_ = true;
      turn_away(call.machine);
      throw broken_barrier();
    }
    call.wait_in(queue_);
    return;
  }
  if (action_ != nullptr) run_action(call.machine);
  for (std::int32_t i = 0; !queue_.empty(); ++i) {
    call.machine.answer(*queue_.front(), [&](Answer& out) { out.raw(i); });
  }
  call.out.raw(index);
}

void Barrier::run_action(Machine& machine) {
  try {
    run_operation(action_, action_call_);
  } catch (...) {
    broken_ = true;
    turn_away(machine);
    throw;
  }
}

void Barrier::turn_away(Machine& machine) {
  while (!queue_.empty()) machine.answer_error(*queue_.front(), std::make_exception_ptr(broken_barrier()));
}

void Barrier::give_up(Waiter& /*waiter*/, Machine& machine) {
  broken_ = true;
  turn_away(machine);
}

void Barrier::forget(const Waiter& /*waiter*/, Machine& machine) {
  broken_ = true;
  turn_away(machine);
}

}  // namespace ipc::manager
