#include "ipc/queue/core.hpp"

#include <algorithm>
#include <bit>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include <ipc/error.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/scope_exit.hpp"
#include "ipc/queue/hold.hpp"

namespace ipc::queues {
namespace {

/// A call that takes many items gives others a chance after so many bytes.
constexpr std::size_t longest_pop = std::size_t{1} << 20;

std::size_t units_of(std::size_t size, std::size_t fds) noexcept {
  return (sizeof(RecordHeader) + (fds != 0 ? sizeof(std::uint64_t) : 0) + size + unit - 1) / unit;
}

/// Locks are held for as long as it takes to copy an item. So a call that does not wait for items, or not long, waits for them
/// nevertheless: giving up at once would mean that the queue is empty, or full, when it is not. A process that is stopped while
/// it holds one must not hold up those who want to wait for a time only.
detail::Deadline patience(detail::Deadline deadline) {
  if (deadline.is_never() || deadline.at() == detail::Deadline::expired_already().at()) return detail::Deadline::never();
  const auto moment = detail::Deadline::after(std::chrono::seconds(1));
  return deadline.at() < moment.at() ? moment : deadline;
}

}  // namespace

Core::Core(Parts parts, os::FileId id)
    : memory_(std::move(parts.memory)),
      bell_(std::move(parts.bell)),
      freight_(std::move(parts.freight)),
      id_(id),
      first_page_(memory_.get(), ring_offset),
      words_(reinterpret_cast<QueueWords*>(first_page_.data())),
      put_window_(*words_, memory_.get()),
      get_window_(*words_, memory_.get()) {}

void Core::require_open() const {
  if (closed()) throw UsageError("This process has closed the queue.");
}

void Core::require_up() const {
  if (down() != Down::no) throw ShutDown("The queue has been shut down: it takes no more items.");
}

void Core::require_freight(const detail::OutgoingItem& item) const {
  if (item.fds.size() > Freight::most_fds) throw EncodingError("An item in a queue can carry at most 253 descriptors and shared handles.");
  if (freight_) return;
  throw UsageError(
      "An item in a queue with a name cannot carry descriptors or shared handles: who opens a queue by its name cannot get at "
      "them. Send names, or use a queue without a name.");
}

Mark Core::contents() const noexcept {
  if (down() == Down::at_once) return {};
  for (Mark first = head();;) {
    const Mark last = tail();
    const Mark again = head();
    // Nobody took anything in between: at the moment when `last` was read, both were true.
    if (again == first) return last - first;
    first = again;
  }
}

std::size_t Core::size() const {
  require_open();
  return contents().items;
}

bool Core::empty() const { return size() == 0; }

bool Core::full() const { return size() >= words_->most_items; }

bool Core::ready() const noexcept { return closed() || down() != Down::no || contents().items != 0; }

std::size_t Core::put(std::span<const detail::OutgoingItem> items, detail::Deadline deadline) {
  // Who has been called by a notification and leaves, with or without what it wanted, passes it on.
  const base::ScopeExit leave([this] {
    if (bounded()) words_->not_full.pass_on([this] { return has_room(); });
  });
  for (std::size_t done = 0;;) {
    require_open();
    Pushed pushed;
    {
      const Hold hold(words_->put_lock, patience(deadline));
      if (!hold) return done;
      require_up();
      pushed = push(items.subspan(done));
    }
    done += pushed.count;
    IPC_KILL_POINT("queue.put.before_wake");
    if (pushed.count != 0) words_->not_empty.notify_one();
    if (done == items.size() || !wait_for_room(pushed, deadline)) return done;
  }
}

bool Core::wait_for_room(const Pushed& pushed, detail::Deadline deadline) {
  if (pushed.by == Stopped::not_at_all) return true;
  if (pushed.by == Stopped::full) return words_->not_full.wait([this] { return closed() || down() != Down::no || has_room(); }, deadline);
  const auto unloaded = [&] {
    return closed() || down() != Down::no || words_->unloaded.load(std::memory_order_acquire) != pushed.unloaded;
  };
  // Somebody may be killed between dropping a packet and saying so: then it is worth another try nevertheless.
  words_->freight_room.wait(unloaded, earlier(deadline, detail::Deadline::after(std::chrono::milliseconds(200))));
  return unloaded() || !deadline.expired();
}

Core::Pushed Core::push(std::span<const detail::OutgoingItem> items) {
  Pushed pushed;
  put_window_.adjust();
  Mark at = Mark::of(words_->tail.load(std::memory_order_relaxed));  // Relaxed: under put_lock.
  try {
    for (const detail::OutgoingItem& item : items) {
      if (!push_one(item, at, pushed)) break;
      ++pushed.count;
    }
  } catch (...) {
    if (pushed.count == 0) throw;
    // The next round comes to it again, with nothing before it.
  }
  if (pushed.count == 0) return pushed;
  if (words_->watched.load(std::memory_order_relaxed) != 0) ring();
  IPC_KILL_POINT("queue.put.before_commit");
  // SYNC POINT "record": release, with the acquire in `pop`: who sees the tail sees the records before it.
  words_->tail.store(at.word(), std::memory_order_release);
  IPC_KILL_POINT("queue.put.committed");
  return pushed;
}

bool Core::push_one(const detail::OutgoingItem& item, Mark& at, Pushed& pushed) {
  const std::size_t units = units_of(item.bytes.size(), item.fds.size());
  Mark used = at - Mark::of(words_->head_seen);
  if (used.items >= words_->most_items || (std::size_t{used.units} + units) * unit > put_window_.capacity()) {
    // SYNC POINT "room": acquire, with the release in `pop`: the bytes before the head have been read.
    words_->head_seen = words_->head.load(std::memory_order_acquire);
    used = at - Mark::of(words_->head_seen);
    if (used.items >= words_->most_items) {
      pushed.by = Stopped::full;
      return false;
    }
    if ((std::size_t{used.units} + units) * unit > put_window_.capacity()) make_room(at, units);
  }
  put_window_.reserve(at, units * unit);
  const RecordHeader header(item.bytes.size(), item.fds.size());
  std::size_t offset = sizeof header;
  if (!item.fds.empty()) {
    require_freight(item);
    const std::uint64_t packet = words_->packets + 1;
    pushed.unloaded = words_->unloaded.load(std::memory_order_acquire);
    words_->packets = packet;
    if (!freight_.load(packet, item.fds)) {
      pushed.by = Stopped::freight;
      return false;
    }
    IPC_KILL_POINT("queue.put.fds_sent");
    put_window_.write(at, offset, std::as_bytes(std::span(&packet, 1)));
    offset += sizeof packet;
  }
  put_window_.write(at, 0, std::as_bytes(std::span(&header, 1)));
  put_window_.write(at, offset, item.bytes);
  at = at.after(static_cast<std::uint32_t>(units));
  return true;
}

void Core::make_room(Mark at, std::size_t units) {
  const Hold hold(words_->get_lock);
  const Mark head = Mark::of(words_->head.load(std::memory_order_relaxed));  // Relaxed: under get_lock.
  const std::size_t wanted = (std::size_t{(at - head).units} + units) * unit;
  std::size_t capacity = put_window_.capacity();
  while (capacity < wanted && capacity < largest_capacity) capacity *= 2;
  if (capacity < wanted) throw std::system_error(ENOMEM, std::generic_category(), "A queue cannot hold more than 32 GiB");
  if (capacity > kept_capacity && words_->shrunk_at != 0) {
    const bool soon = std::size_t{head.units - words_->shrunk_at} * unit < 8 * capacity;
    words_->low_tolerated = soon ? std::min(2 * words_->low_tolerated + 1, most_tolerated) : 0;
  }
  put_window_.resize(head, at, capacity);
  words_->head_seen = head.word();
}

std::size_t Core::get(detail::ItemSink& sink, std::size_t most, detail::Deadline deadline) {
  const base::ScopeExit leave([this] { words_->not_empty.pass_on([this] { return has_item(); }); });
  for (;;) {
    require_open();
    // Before looking for items: once it is down, no more are coming.
    const Down before = down();
    if (before == Down::at_once) throw ShutDown("The queue has been shut down.");
    const bool maybe = has_item();
    if (!maybe && before != Down::no) throw ShutDown("The queue has been shut down, and all its items have been taken.");
    if (maybe || words_->watched.load(std::memory_order_relaxed) != 0) {
      std::size_t count = 0;
      const std::uint32_t hand = joinable() ? this_hand() : 0;
      {
        const Hold hold(words_->get_lock, patience(deadline));
        if (!hold) return 0;
        count = pop(sink, most, hand);
      }
      IPC_KILL_POINT("queue.get.before_wake");
      if (count != 0 && bounded()) words_->not_full.notify_one();
      if (count != 0) return count;
    }
    if (!words_->not_empty.wait([this] { return ready(); }, deadline)) return 0;
  }
}

std::size_t Core::pop(detail::ItemSink& sink, std::size_t most, std::uint32_t hand) {
  get_window_.adjust();
  Mark at = Mark::of(words_->head.load(std::memory_order_relaxed));  // Relaxed: under get_lock.
  if (joinable()) words_->hands.settle(at.items);
  if (down() == Down::at_once) return 0;
  const Mark before = at;
  std::size_t count = 0;
  std::size_t bytes = 0;
  bool freight = false;
  while (count < most && bytes < longest_pop && !freight) {
    if (at.word() == words_->tail_seen) {
      // SYNC POINT "record".
      words_->tail_seen = words_->tail.load(std::memory_order_acquire);
      if (at.word() == words_->tail_seen) break;
    }
    const auto header = get_window_.read<RecordHeader>(at, 0);
    const std::size_t units = units_of(header.size(), header.fds());
    if (units > (Mark::of(words_->tail_seen) - at).units) throw EncodingError("The queue's memory has been damaged by another process.");
    std::size_t offset = sizeof header;
    if (header.fds() != 0) {
      // The packet is dropped once the head has passed its item: so each such item is a commit of its own.
      if (count != 0) break;
      freight = true;
      const auto packet = get_window_.read<std::uint64_t>(at, offset);
      std::vector<Fd> fds = freight_.look(packet);
      offset += sizeof packet;
      get_window_.read(at, offset, sink.room(header.size()));
      sink.take(std::move(fds));
    } else {
      get_window_.read(at, offset, sink.room(header.size()));
    }
    at = at.after(static_cast<std::uint32_t>(units));
    bytes += header.size();
    ++count;
  }
  if (count != 0) {
    if (joinable()) words_->hands.take(hand, before.items, static_cast<std::uint32_t>(count));
    IPC_KILL_POINT("queue.get.before_commit");
    // SYNC POINT "room".
    words_->head.store(at.word(), std::memory_order_release);
    IPC_KILL_POINT("queue.get.committed");
    if (joinable()) words_->hands.taken();
    if (freight) {
      freight_.drop();
      words_->unloaded.fetch_add(1, std::memory_order_release);
      words_->freight_room.notify_all();
    }
    if (get_window_.capacity() > kept_capacity) shrink(at);
  }
  if (words_->watched.load(std::memory_order_relaxed) != 0) mute();
  return count;
}

void Core::shrink(Mark at) {
  const auto used = [&](Mark end) { return std::size_t{(end - at).units} * unit; };
  const std::size_t left = used(tail());
  if (left * 8 > get_window_.capacity()) return;
  // Once each time it gets empty, or each time an eighth of it has passed.
  if (left != 0 && std::size_t{at.units - words_->low_at} * unit * 8 < get_window_.capacity()) return;
  words_->low_at = at.units;
  if (words_->low_seen++ < words_->low_tolerated) return;
  const Hold hold(words_->put_lock, Hold::Try());
  if (!hold) return;
  const Mark end = tail();
  if (used(end) * 8 > get_window_.capacity()) return;
  get_window_.resize(at, end, std::max(kept_capacity, std::bit_ceil(used(end) * 2)));
  words_->shrunk_at = std::max(at.units, 1u);
  words_->low_seen = 0;
}

}  // namespace ipc::queues
