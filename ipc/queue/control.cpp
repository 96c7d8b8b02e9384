// Of a queue's core: what is not putting and getting.
#include <chrono>
#include <stdexcept>

#include <ipc/error.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/event_fd.hpp"
#include "ipc/os/file_watch.hpp"
#include "ipc/queue/core.hpp"
#include "ipc/queue/hold.hpp"

namespace ipc::queues {

void Core::close() {
  closed_.store(true, std::memory_order_relaxed);
  wake_all();
}

void Core::wake_all() {
  words_->not_empty.notify_all();
  words_->not_full.notify_all();
  words_->freight_room.notify_all();
  words_->hands.all_done.notify_all();
}

void Core::shut_down(bool at_once) {
  require_open();
  {
    const Hold hold(words_->put_lock);
    if (!at_once && down() != Down::no) return;
    ring();
    words_->down.store(at_once ? Down::at_once : Down::drains, std::memory_order_release);
    IPC_KILL_POINT("queue.shut_down.stored");
    if (at_once) {
      // Nobody looks at what is in the queue any more. This only lets go of it.
      const Hold also(words_->get_lock);
      if (joinable()) words_->hands.settle(head().items);
      const Mark end = tail();
      words_->head.store(end.word(), std::memory_order_release);
      words_->tail_seen.store(end.word(), std::memory_order_relaxed);
      if (freight_) freight_.drop_all();
    }
  }
  wake_all();
}

std::uint32_t Core::this_hand() {
  const std::uint64_t generation = hands_generation();
  const std::uint64_t known = hand_.load(std::memory_order_relaxed);
  if (known >> 32 == generation) return static_cast<std::uint32_t>(known);
  // A hand must not go to us before what its late owner took last has been put into it.
  const Hold hold(words_->get_lock);
  words_->hands.settle(head().items);
  const std::uint32_t hand = hand_in(words_->hands, id_, memory_.get());
  hand_.store(generation << 32 | hand, std::memory_order_relaxed);
  return hand;
}

void Core::item_done() {
  require_open();
  const bool thrown_away = down() == Down::at_once;
  const std::int64_t left = words_->hands.finish(this_hand(), tail().items, thrown_away);
  if (left < 0) throw std::invalid_argument("task_done() was called more often than items were put into the queue.");
  IPC_KILL_POINT("queue.item_done.before_wake");
  if (left == 0 || thrown_away) words_->hands.all_done.notify_all();
}

bool Core::all_done() const noexcept {
  if (down() == Down::at_once) return words_->hands.all_empty();
  const std::uint32_t done = words_->hands.done();
  // Never more than were put: so if they are as many as that now, they were all that there were.
  return done == tail().items;
}

bool Core::join(detail::Deadline deadline) {
  for (;;) {
    require_open();
    const auto slice = detail::Deadline::after(std::chrono::milliseconds(200));
    if (words_->hands.all_done.wait([this] { return closed() || all_done(); }, earlier(deadline, slice))) {
      require_open();
      return true;
    }
    {
      const Hold hold(words_->get_lock);
      words_->hands.settle(head().items);
    }
    words_->hands.bury(memory_.get());
    if (deadline.expired()) return all_done();
    if (all_done()) words_->hands.all_done.notify_all();
  }
}

int Core::watch() {
  require_open();
  // With a name, always: the lock is what tells a thread of this process that another has made the bell.
  if (named() || words_->watched.load(std::memory_order_acquire) == 0) {
    const Hold hold(words_->put_lock);
    if (!bell_) {
      bell_ = os::watch_file(memory_.get());
      words_->rung.store(0, std::memory_order_relaxed);  // Not for this one.
    }
    words_->watched.store(1, std::memory_order_release);
    if (ready()) ring();
  }
  return bell_.get();
}

bool Core::ready_after_bell() {
  if (ready()) return true;
  {
    const Hold hold(words_->put_lock, detail::Deadline::after(std::chrono::seconds(1)));
    if (hold) mute_if_empty();
  }
  return ready();
}

void Core::ring() noexcept {
  // Relaxed: stored under put_lock. The bell first: it may ring for nothing, but never stay silent for something.
  if (words_->rung.load(std::memory_order_relaxed) != 0) return;
  named() ? os::touch_file(memory_.get()) : os::signal_event_fd(bell_.get());
  IPC_KILL_POINT("queue.bell.rung");
  words_->rung.store(1, std::memory_order_relaxed);
}

void Core::mute() noexcept {
  if (contents().items != 0) return;
  // Somebody who has the other lock is about to put something: then it may ring on.
  const Hold hold(words_->put_lock, Hold::Try());
  if (hold) mute_if_empty();
}

/// Under put_lock.
void Core::mute_if_empty() noexcept {
  if (contents().items != 0 || down() != Down::no) return;
  words_->rung.store(0, std::memory_order_relaxed);
  IPC_KILL_POINT("queue.bell.before_mute");
  if (!named())
    os::clear_event_fd(bell_.get());
  else if (bell_)
    os::clear_file_watch(bell_.get());
}

}  // namespace ipc::queues
