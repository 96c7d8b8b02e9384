#include <utility>

#include <ipc/detail/exception.hpp>

#include "ipc/os/event_fd.hpp"
#include "ipc/os/stdio.hpp"
#include "ipc/pool/state.hpp"

// Code of the user: callbacks, serialize functions, destructors. It may do anything, so nothing is held while it runs.

namespace ipc::pool {
namespace {

// The job whose callbacks this thread is running.
thread_local const detail::Job* calling = nullptr;

}  // namespace

void PoolState::call(const std::function<void()>& callback) const noexcept {
  try {
    callback();
  } catch (...) {
    os::write_to_stderr("ipc: a callback of pool " + settings_.name + " threw " + detail::describe_current_exception() +
                        "; it was ignored.\n");
  }
}

/// By a thread that waits, maybe for this job: callbacks, and the decoding of what it waits for.
void PoolState::work_for(Lock& lock, detail::Job* mine) {
  for (;;) {
    // SUBTLE: one at a time. Should it wait for another of them, then another thread can take that.
    if (!to_call_.empty()) {
      const auto job = std::move(to_call_.front());
      to_call_.pop_front();
      run_callbacks(lock, *job);
    } else if (mine != nullptr && !mine->arrivals_.empty()) {
      decode_one(lock, *mine);
    } else {
      return;
    }
  }
}

/// By the background thread.
void PoolState::work_for_all(Lock& lock) {
  background_roused_ = false;
  work_for(lock, nullptr);
  while (!arrived_.empty()) {
    const auto job = arrived_.front();
    decode_one(lock, *job);
    work_for(lock, nullptr);
    to_bury_.push_back(job);
  }
  if (to_bury_.empty()) return;
  burial_due_ = false;
  auto buried = std::exchange(to_bury_, {});
  lock.unlock();
  buried.clear();
  lock.lock();
}

/// Whoever calls this keeps the job alive.
void PoolState::decode_one(Lock& lock, detail::Job& job) {
  if (!job.arrivals_.empty()) {
    auto arrival = std::move(job.arrivals_.front());
    job.arrivals_.pop_front();
    lock.unlock();
    detail::Reader in(arrival.message);
    deliver(&lock, job, arrival.tasks, true, in);
    if (!broken()) outcome(job, arrival.tasks.count);
    wake_waiters();
  }
  while (!arrived_.empty() && arrived_.front()->arrivals_.empty()) {
    to_bury_.push_back(std::move(arrived_.front()));
    arrived_.pop_front();
  }
}

void PoolState::run_callbacks(Lock& lock, detail::Job& job) {
  // One that is added meanwhile runs as well, before the job is ready.
  while (!job.callbacks_.empty()) {
    auto callbacks = std::exchange(job.callbacks_, {});
    lock.unlock();
    const auto* outer = std::exchange(calling, &job);
    for (const auto& callback : callbacks) call(callback);
    callbacks.clear();  // What they hold may use the pool as it goes, or be its last owner.
    calling = outer;
    lock.lock();
  }
  make_ready(job);
  wake_waiters();
}

/// A job has become ready by other means than the driver's: somebody may be waiting for just that.
void PoolState::wake_waiters() {
  if (role_ != Role::caller) return;
  woken_.store(true, std::memory_order_relaxed);
  os::signal_event_fd(wake_.get());
  if (waiting_ != 0) turn_.notify_all();
}

bool PoolState::in_callback_of(const detail::Job& job) const noexcept { return calling == &job; }

void PoolState::when_done(detail::Job& job, std::function<void()> callback) {
  {
    const Lock lock(mutex_);
    if (!job.ready()) {
      job.callbacks_.push_back(std::move(callback));
      return;
    }
  }
  call(callback);
}

}  // namespace ipc::pool
