#include <algorithm>
#include <csignal>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/base/scope_exit.hpp"
#include "ipc/os/event_fd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/pool/state.hpp"

namespace ipc::pool {
namespace {

using Clock = std::chrono::steady_clock;

// While results keep coming nobody sleeps in poll, which is where deaths are told; so they are asked for this often.
constexpr auto death_interval = std::chrono::milliseconds(1);
// While callers are active, the background thread sleeps so long at a time.
constexpr auto tick = std::chrono::milliseconds(1);

}  // namespace

bool PoolState::wait(const std::function<bool()>& done, detail::Deadline deadline, detail::Job* mine) {
  require_owner();
  Lock lock(mutex_);
  while (!done()) {
    if (has_work_for(mine)) {
      work_for(lock, mine);
    } else if (role_ == Role::caller) {
      // Another thread looks after the workers, for us as well.
      ++waiting_;
      if (deadline.is_never())
        turn_.wait(lock);
      else
        turn_.wait_until(lock, deadline.at());
      --waiting_;
    } else {
      role_ = Role::caller;
      try {
        awake();
        drive(lock, done, deadline, mine);
      } catch (...) {
        if (!lock.owns_lock()) lock.lock();
        spinning_ = false;
        give_role_away();
        throw;
      }
      give_role_away();
      work_for(lock, mine);
    }
    if (deadline.expired()) return done();
  }
  return true;
}

void PoolState::drive(Lock& lock, const std::function<bool()>& done, detail::Deadline deadline, const detail::Job* mine) {
  for (;;) {
    const bool progress = step();
    if (done() || has_work_for(mine)) return;
    if (has_background_work()) rouse_background();
    if (progress) continue;
    if (deadline.expired()) return;
    // Spinning where a worker is to run would keep it from what is waited for. But one that is left the CPU keeps it until it has
    // done what it holds: if that is long, others have nothing to do by then, and to be woken by them one has to sleep.
    bool crowded = false;
    bool soon = true;
    for (const auto& link : links_) {
      if (link->sequences.empty() || !link->channel.peer_was_here()) continue;
      crowded = true;
      soon = soon && !scheduler_.busy_for(link->id, 2 * base::SpinBudget::limit);
    }
    spinning_ = true;
    lock.unlock();
    const auto something = [this] {
      if (woken_.load(std::memory_order_relaxed)) return true;
      return std::any_of(links_.begin(), links_.end(), [](const auto& link) { return link->stirs(); });
    };
    const bool more = soon ? budget_.wait(crowded, something) : something();
    lock.lock();
    spinning_ = false;
    if (more || done()) continue;
    const auto limit = time_limit();
    scheduler_.stalled();
    if (perform_actions()) continue;
    if (!announce_sleep()) {
      awake();
      continue;
    }
    park(lock, earlier(deadline, limit));
    awake();
    if (soon) budget_.woke();
  }
}

bool PoolState::step() {
  woken_.store(false, std::memory_order_relaxed);
  bool progress = receive_all();
  if (Clock::now() - deaths_noticed_ > death_interval) {
    notice_deaths();
    time_limit();
  }
  progress = perform_actions() || progress;
  const bool more = dispatch(Until::results);
  if (progress && waiting_ != 0) turn_.notify_all();
  return progress || more;
}

void PoolState::notice_deaths() {
  deaths_noticed_ = Clock::now();
  std::vector<os::PollEntry> entries(links_.size() + 1);
  for (std::size_t i = 0; i < links_.size(); ++i) entries[i].fd = links_[i]->child.pidfd();
  entries.back().fd = source_->pidfd();
  if (os::poll(entries, detail::Deadline::expired_already()) == 0) return;
  if (entries.back().ready && !terminated_) break_down(why_no_workers());
  std::vector<Link*> dead;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (entries[i].ready || links_[i]->child.pidfd() < 0) dead.push_back(links_[i].get());
  }
  for (Link* link : dead) lose(*link);
  if (waiting_ != 0) turn_.notify_all();
}

// --- sleeping ----------------------------------------------------------------------------------------------------------

/// False when something has arrived meanwhile.
bool PoolState::announce_sleep() {
  announced_ = true;
  for (const auto& link : links_) link->channel.announce_sleep(transport::Wake::data | transport::Wake::room);
  std::atomic_thread_fence(std::memory_order_seq_cst);  // The other half of Channel::wake_peer's Dekker.
  if (spinning_) return true;                           // Then whoever spins looks.
  return std::none_of(links_.begin(), links_.end(), [](const auto& link) { return link->stirs() || link->can_pump(); });
}

void PoolState::awake() {
  if (!std::exchange(announced_, false)) return;
  for (const auto& link : links_) link->channel.awake();
}

void PoolState::park(Lock& lock, detail::Deadline deadline) {
  const Role mine = role_;
  const std::uint64_t version = links_version_;
  if (mine == Role::background) {
    background_parked_ = true;
    parked_version_ = version;
  }
  auto& sleeps_until = mine == Role::background ? background_sleeps_until_ : caller_sleeps_until_;
  sleeps_until = deadline.at();
  std::vector<os::PollEntry> entries(2 * links_.size() + 2);
  for (std::size_t i = 0; i < links_.size(); ++i) {
    // A closed socket would end every poll; the process's own end is still to come.
    entries[2 * i].fd = links_[i]->channel.peer_closed() ? -1 : links_[i]->channel.socket();
    entries[2 * i + 1].fd = links_[i]->child.pidfd();
  }
  const std::size_t nursery = entries.size() - 2;
  const std::size_t wake = entries.size() - 1;
  entries[nursery].fd = broken() ? -1 : source_->pidfd();
  entries[wake].fd = wake_.get();
  lock.unlock();
  {
    const base::ScopeExit woken([&] {
      lock.lock();
      sleeps_until = not_asleep;
      if (mine == Role::background) background_parked_ = false;
    });
    os::poll(entries, deadline);
  }
  // A caller has taken the role while the background thread slept: the channels are not its to read.
  if (role_ != mine) return;
  if (entries[wake].ready) os::clear_event_fd(wake_.get());
  // A caller may have had the role, and changed the links, while the background thread slept.
  const bool same = version == links_version_;
  bool death = entries[nursery].ready || !same;
  for (std::size_t i = 0; i < links_.size(); ++i) {
    if (!same || entries[2 * i].ready) answer_doorbell(*links_[i]);
    death = death || (same && entries[2 * i + 1].ready);
  }
  if (death) {
    receive_all();
    notice_deaths();
  }
}

/// Has tasks that ran for too long ended; until when nothing more of the kind can be due.
detail::Deadline PoolState::time_limit() {
  if (!scheduler_.timed()) return detail::Deadline::never();
  for (const auto& link : links_) {
    if (!link->sequences.empty() && link->claims().begun(link->sequences.front())) scheduler_.began(link->id, link->last_start());
  }
  const auto next = scheduler_.time_is(Clock::now());
  return next ? detail::Deadline::until(*next) : detail::Deadline::never();
}

/// After a change that the driver does not know of: does what it demands at once, and whoever sleeps wakes in time for the
/// rest.
void PoolState::mind_sleepers() {
  if (!scheduler_.timed() && !scheduler_.has_orders()) return;
  const auto limit = time_limit();
  if (scheduler_.has_orders()) {
    if (spinning_) {
      woken_.store(true, std::memory_order_relaxed);
      return;
    }
    const std::uint64_t version = links_version_;
    perform_actions();
    dispatch();
    if (version != links_version_) os::signal_event_fd(wake_.get());
  }
  const auto sleeps_until = role_ == Role::caller ? caller_sleeps_until_ : background_sleeps_until_;
  if (limit.at() < sleeps_until) os::signal_event_fd(wake_.get());
}

void PoolState::give_role_away() {
  role_ = Role::nobody;
  if (waiting_ != 0) turn_.notify_all();
  if (!background_parked_) {
    background_turn_.notify_one();
    return;
  }
  // It sleeps already, on the same descriptors: all it takes is to say so to the workers.
  role_ = Role::background;
  ++activity_;
  mind_sleepers();
  if (ticking_) return;
  if (parked_version_ != links_version_) os::signal_event_fd(wake_.get());
  while (!scheduler_.idle() && !announce_sleep()) {
    receive_all();
    dispatch();
  }
}

void PoolState::background(const std::stop_token& stop) {
  Lock lock(mutex_);
  try {
    look_after_workers(lock, stop);
  } catch (...) {
    // Nobody would look after them while nobody waits: all that waits is told, and all that is left to do are callbacks.
    if (!lock.owns_lock()) lock.lock();
    if (role_ == Role::background) role_ = Role::nobody;
    break_down(why_unattended());
    turn_.notify_all();
    while (!stop.stop_requested()) {
      work_for_all(lock);
      background_turn_.wait(lock, [&] { return background_roused_ || !to_call_.empty() || stop.stop_requested(); });
    }
  }
}

void PoolState::look_after_workers(Lock& lock, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (role_ == Role::caller) {
      if (has_background_work()) work_for_all(lock);
      background_turn_.wait(lock, [&] { return role_ != Role::caller || background_roused_ || stop.stop_requested(); });
      if (background_roused_) work_for_all(lock);
      continue;
    }
    role_ = Role::background;
    const bool progress = step();
    work_for_all(lock);
    if (progress) continue;
    if (role_ != Role::background || stop.stop_requested()) continue;
    if (!scheduler_.idle() && std::exchange(activity_seen_, activity_) != activity_) {
      ticking_ = true;
      park(lock, detail::Deadline::after(tick));
      ticking_ = false;
      continue;
    }
    const auto limit = time_limit();
    scheduler_.stalled();
    if (perform_actions() || !announce_sleep()) {
      awake();
      continue;
    }
    park(lock, limit);
    if (role_ == Role::background) awake();
  }
  if (role_ == Role::background) role_ = Role::nobody;
}

void PoolState::rouse_background() {
  if (std::exchange(background_roused_, true)) return;
  if (background_parked_)
    os::signal_event_fd(wake_.get());
  else
    background_turn_.notify_one();
}

void PoolState::poll() {
  require_owner();
  Lock lock(mutex_);
  if (role_ == Role::caller) return;
  const bool announced = announced_;
  if (receive_all()) dispatch();
  mind_sleepers();
  if (announced && !announce_sleep()) os::signal_event_fd(wake_.get());
  if (!to_call_.empty() || has_background_work()) os::signal_event_fd(wake_.get());
}

}  // namespace ipc::pool
