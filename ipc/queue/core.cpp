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
/// And one that puts many lets them be seen.
constexpr std::size_t longest_push = std::size_t{256} << 10;

std::size_t units_of(std::size_t size, std::size_t fds) noexcept {
  return (sizeof(RecordHeader) + (fds != 0 ? sizeof(std::uint64_t) : 0) + size + unit - 1) / unit;
}

[[noreturn]] void fail_damaged() { throw EncodingError("The queue's memory has been damaged by another process."); }

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
      get_window_(*words_, memory_.get()),
      item_units_(static_cast<std::uint32_t>((words_->item_size + unit - 1) / unit)),
      most_pushed_(longest_push / std::max<std::size_t>(words_->item_size, 1) + 1),
      most_popped_(longest_pop / std::max<std::size_t>(words_->item_size, 1) + 1) {}

void Core::fail_closed() { throw UsageError("This process has closed the queue."); }
void Core::fail_down() { throw ShutDown("The queue has been shut down: it takes no more items."); }

void Core::require_freight() const {
  if (freight_) return;
  throw UsageError(
      "This process cannot put or get descriptors and shared handles through the queue: it opened the queue by its name, and those who "
      "have the socket in which they travel do not let it have that. It has to be of the same user and the same PID namespace, and "
      "be allowed to attach to them (kernel.yama.ptrace_scope, seccomp). Send names, or pass on a handle of the queue.");
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

bool Core::item_seen() const noexcept {
  // Relaxed: hints.
  return words_->head.load(std::memory_order_relaxed) != words_->tail_seen.load(std::memory_order_relaxed);
}

template <class Push>
std::size_t Core::put_all(std::size_t count, detail::Deadline deadline, Push push) {
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
      put_window_.adjust();
      pushed = push(done);
    }
    done += pushed.count;
    IPC_KILL_POINT("queue.put.before_wake");
    if (pushed.count != 0) words_->not_empty.notify_one_after_unlock();
    if (done == count || !wait_for_room(pushed, deadline)) return done;
  }
}

std::size_t Core::put(std::span<const detail::OutgoingItem> items, detail::Deadline deadline) {
  return put_all(items.size(), deadline, [&](std::size_t done) { return push(items.subspan(done)); });
}

std::size_t Core::put(const detail::OutgoingRow& row, detail::Deadline deadline) {
  return put_all(row.count, deadline, [&](std::size_t done) { return push({row.first + done * words_->item_size, row.count - done}); });
}

bool Core::wait_for_room(const Pushed& pushed, detail::Deadline deadline) {
  if (pushed.by == Stopped::not_at_all) return true;
  if (pushed.by == Stopped::full) {
    if (!words_->not_full.wait([this] { return closed() || down() != Down::no || has_room(); }, deadline)) return false;
    put_pace_.settle([this] { return words_->most_items - contents().items; });
    return true;
  }
  const auto unloaded = [&] {
    return closed() || down() != Down::no || words_->unloaded.load(std::memory_order_acquire) != pushed.unloaded;
  };
  // Somebody may be killed between dropping a packet and saying so: then it is worth another try nevertheless.
  words_->freight_room.wait(unloaded, earlier(deadline, detail::Deadline::after(std::chrono::milliseconds(200))));
  return unloaded() || !deadline.expired();
}

void Core::commit(Mark tail) {
  if (words_->watched.load(std::memory_order_relaxed) != 0) ring();
  IPC_KILL_POINT("queue.put.before_commit");
  // SYNC POINT "record": release, with the acquire in `find_tail`: who sees the tail sees the records before it.
  words_->tail.store(tail.word(), std::memory_order_release);
  IPC_KILL_POINT("queue.put.committed");
}

Core::Pushed Core::push(std::span<const detail::OutgoingItem> items) {
  Pushed pushed;
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
  if (pushed.count != 0) commit(at);
  return pushed;
}

Core::Pushed Core::push(const detail::OutgoingRow& row) {
  const Mark at = Mark::of(words_->tail.load(std::memory_order_relaxed));  // Relaxed: under put_lock.
  const std::size_t count = free_items(at, std::min(row.count, most_pushed_), item_units_);
  if (count == 0) return {0, Stopped::full};
  put_window_.reserve(at, count * item_units_ * unit);
  put_window_.write_row(at, item_units_, words_->item_size, row.first, count);
  const Mark end = at.after(static_cast<std::uint32_t>(count), item_units_);
  commit(end);
  put_window_.fetch_for_writing(end.after(4, item_units_));
  return {count};
}

/// Under put_lock: how many of `count` items of so many units may be put; there is room for those then.
std::size_t Core::free_items(Mark at, std::size_t count, std::size_t units) {
  Mark used = at - Mark::of(words_->head_seen);
  const auto fits = [&] { return (std::size_t{used.units} + count * units) * unit <= put_window_.capacity(); };
  if (used.items + count <= words_->most_items && fits()) return count;
  // SYNC POINT "room": acquire, with the release in `pop`: the bytes before the head have been read.
  words_->head_seen = words_->head.load(std::memory_order_acquire);
  used = at - Mark::of(words_->head_seen);
  if (used.items >= words_->most_items) return 0;
  count = std::min<std::uint64_t>(count, words_->most_items - used.items);
  if (!fits()) make_room(at, count * units);
  return count;
}

bool Core::push_one(const detail::OutgoingItem& item, Mark& at, Pushed& pushed) {
  const std::size_t units = units_of(item.bytes.size(), item.fds.size());
  if (free_items(at, 1, units) == 0) {
    pushed.by = Stopped::full;
    return false;
  }
  put_window_.reserve(at, units * unit);
  const RecordHeader header(item.bytes.size(), item.fds.size());
  std::size_t offset = sizeof header;
  if (!item.fds.empty()) {
    if (item.fds.size() > Freight::most_fds)
      throw EncodingError("An item in a queue can carry at most 253 descriptors and shared handles.");
    require_freight();
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

template <class Take>
std::size_t Core::get_some(detail::Deadline deadline, Take take) {
  const base::ScopeExit leave([this] { words_->not_empty.pass_on([this] { return has_item(); }); });
  for (;;) {
    require_open();
    // Before looking for items: once it is down, no more are coming.
    const Down before = down();
    if (before == Down::at_once) throw ShutDown("The queue has been shut down.");
    const bool maybe = item_seen() || has_item();
    if (!maybe && before != Down::no) throw ShutDown("The queue has been shut down, and all its items have been taken.");
    if (maybe || words_->watched.load(std::memory_order_relaxed) != 0) {
      std::size_t count = 0;
      const std::uint32_t hand = joinable() ? this_hand() : 0;
      {
        const Hold hold(words_->get_lock, patience(deadline));
        if (!hold) return 0;
        count = pop(hand, take);
      }
      IPC_KILL_POINT("queue.get.before_wake");
      if (count != 0 && bounded()) words_->not_full.notify_one_after_unlock();
      if (count != 0) return count;
    }
    if (!words_->not_empty.wait([this] { return ready(); }, deadline)) return 0;
    get_pace_.settle([this] { return contents().items; });
  }
}

std::size_t Core::get(detail::ItemSink& sink, std::size_t most, detail::Deadline deadline) {
  return get_some(deadline, [&](Mark& at) { return take_items(sink, most, at); });
}

std::size_t Core::get(detail::RowSink& sink, std::size_t most, detail::Deadline deadline) {
  return get_some(deadline, [&](Mark& at) {
    take_row(sink, most, at);
    return Taken::items;
  });
}

/// Under get_lock: has `take` take what there is from a mark on, which it moves; it returns whether descriptors came along, or
/// should have.
template <class Take>
std::size_t Core::pop(std::uint32_t hand, Take take) {
  get_window_.adjust();
  const Mark before = Mark::of(words_->head.load(std::memory_order_relaxed));  // Relaxed: under get_lock.
  if (joinable()) words_->hands.settle(before.items);
  if (down() == Down::at_once) return 0;
  Mark at = before;
  const Taken taken = take(at);
  const std::uint32_t count = (at - before).items;
  if (count != 0) {
    if (joinable()) words_->hands.take(hand, before.items, count);
    IPC_KILL_POINT("queue.get.before_commit");
    // SYNC POINT "room".
    words_->head.store(at.word(), std::memory_order_release);
    IPC_KILL_POINT("queue.get.committed");
    if (joinable()) words_->hands.taken();
    if (taken == Taken::freight) {
      freight_.drop();
      words_->unloaded.fetch_add(1, std::memory_order_release);
      words_->freight_room.notify_all();
    }
    if (get_window_.capacity() > kept_capacity) shrink(at);
  }
  if (words_->watched.load(std::memory_order_relaxed) != 0) mute();
  if (taken == Taken::lost) {
    throw EncodingError(
        "An item in the queue has lost its descriptors: nobody had the queue open for a while, or something else has read from its "
        "socket.");
  }
  return count;
}

/// Under get_lock: as far as there are records, looking anew if there seem to be fewer than `most` behind `at`.
Mark Core::find_tail(Mark at, std::size_t most) {
  Mark end = Mark::of(words_->tail_seen.load(std::memory_order_relaxed));  // Relaxed: under get_lock.
  if ((end - at).items < most) {
    // SYNC POINT "record".
    end = Mark::of(words_->tail.load(std::memory_order_acquire));
    words_->tail_seen.store(end.word(), std::memory_order_relaxed);
  }
  return end;
}

Core::Taken Core::take_items(detail::ItemSink& sink, std::size_t most, Mark& at) {
  std::size_t bytes = 0;
  for (std::size_t count = 0; count < most && bytes < longest_pop; ++count) {
    const Mark end = find_tail(at, 1);
    if (at == end) break;
    const auto header = get_window_.read<RecordHeader>(at, 0);
    const std::size_t units = units_of(header.size(), header.fds());
    if (units > (end - at).units) fail_damaged();
    constexpr std::size_t offset = sizeof header;
    const bool freight = header.fds() != 0;
    // The packet is dropped once the head has passed its item: so each such item is a commit of its own.
    if (freight && count != 0) break;
    if (freight) {
      require_freight();
      const auto packet = get_window_.read<std::uint64_t>(at, offset);
      std::optional<std::vector<Fd>> fds = freight_.look(packet);
      if (fds) {
        get_window_.read(at, offset + sizeof packet, sink.room(header.size()));
        sink.take(std::move(*fds));
      }
      at = at.after(static_cast<std::uint32_t>(units));
      return fds ? Taken::freight : Taken::lost;
    }
    get_window_.read(at, offset, sink.room(header.size()));
    at = at.after(static_cast<std::uint32_t>(units));
    bytes += header.size();
  }
  return Taken::items;
}

void Core::take_row(detail::RowSink& sink, std::size_t most, Mark& at) {
  const Mark there = find_tail(at, most) - at;
  const std::size_t count = std::min({most, std::size_t{there.items}, most_popped_});
  if (count == 0) return;
  if (count * item_units_ * unit > get_window_.capacity()) fail_damaged();
  get_window_.read_row(at, item_units_, words_->item_size, sink.room(count), count);
  at = at.after(static_cast<std::uint32_t>(count), item_units_);
  if (there.items > count + 4) get_window_.fetch(at.after(4, item_units_));
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
