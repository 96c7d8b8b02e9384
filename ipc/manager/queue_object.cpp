#include "ipc/manager/queue_object.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <stdexcept>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"

namespace ipc::manager {
namespace {

ShutDown shut_down_error() { return ShutDown("The queue has been shut down."); }

}  // namespace

void Queue::perform(Call& call) {
  switch (call.op) {
    case Op::insert:
      return put(call);
    case Op::pop:
      return get(call);
    case Op::size:
      call.out.raw(std::uint64_t{items_.size()});
      call.out.raw(static_cast<std::uint8_t>(full()));
      return;
    case Op::slice:
      for (const Element& item : items_) call.out.put(item);
      return;
    case Op::abort:
      return shut_down(call);
    case Op::task_done:
      return done(call);
    case Op::join:
      if (!joinable_) fail_operation();
      if (unfinished_ == 0) return;
      if (!call.patient()) return call.out.nothing();
      call.wait_in(joiners_);
      return;
    default:
      fail_operation();
  }
}

void Queue::put(Call& call) {
  if (shut_down_) throw shut_down_error();
  std::vector<Element> items = call.take_all();
  const bool waits = full() || !putters_.empty();
  if (waits && !call.patient()) return call.out.nothing();
  if (waits || (maxsize_ > 0 && static_cast<std::int64_t>(items_.size() + items.size()) > maxsize_)) {
    call.wait_in(putters_).items = std::move(items);
  } else {
    unfinished_ += items.size();
    std::move(items.begin(), items.end(), std::back_inserter(items_));
  }
  settle(call.machine);
}

void Queue::add(Element item, Machine& machine) {
  if (shut_down_) return;
  items_.push_back(std::move(item));
  ++unfinished_;
  settle(machine);
}

void Queue::get(Call& call) {
  const auto most = call.in.raw<std::uint64_t>();
  if (!items_.empty() && getters_.empty()) {
    hand_out(call.out, most, call.owner, call.machine);
    return settle(call.machine);
  }
  if (shut_down_) throw shut_down_error();
  if (!call.patient()) return call.out.nothing();
  call.wait_in(getters_).amount = most;
}

void Queue::hand_out(Answer& out, std::size_t most, const Owner& to, Machine& machine) {
  for (std::size_t given = 0; given < most && !items_.empty(); ++given) {
    try {
      out.put(items_.front());
    } catch (const std::exception&) {  // No descriptors or no memory are left. What is in the answer already is given.
      if (given == 0) throw;
      return;
    }
    if (joinable_) {
      taken_.push_back({to, std::move(items_.front())});
      machine.hold(to, *this);
    }
    items_.pop_front();
  }
}

void Queue::settle(Machine& machine) {
  for (;;) {
    if (!items_.empty() && !getters_.empty()) {
      Waiter& getter = *getters_.front();
      machine.answer(getter, [&](Answer& out) { hand_out(out, getter.amount, getter.owner, machine); });
    } else if (!putters_.empty() && !full()) {
      Waiter& putter = *putters_.front();
      // Of many, as many as there is room for.
      const std::size_t room = maxsize_ > 0 ? static_cast<std::size_t>(maxsize_) - items_.size() : putter.items.size();
      const auto count = static_cast<std::ptrdiff_t>(std::min(room, putter.items.size()));
      std::move(putter.items.begin(), putter.items.begin() + count, std::back_inserter(items_));
      putter.items.erase(putter.items.begin(), putter.items.begin() + count);
      unfinished_ += static_cast<std::uint64_t>(count);
      if (putter.items.empty()) machine.answer(putter);
    } else {
      return;
    }
  }
}

void Queue::done(Call& call) {
  if (!joinable_) fail_operation();
  if (unfinished_ == 0) throw std::invalid_argument("task_done was called more often than items were put");
  // The one that this thread has had longest; else one of this process's, else anybody's.
  auto item = std::ranges::find_if(taken_, [&](const Taken& taken) { return taken.by == call.owner; });
  if (item == taken_.end()) item = std::ranges::find_if(taken_, [&](const Taken& taken) { return taken.by.session == call.owner.session; });
  if (item == taken_.end()) item = taken_.begin();
  if (item != taken_.end()) taken_.erase(item);
  --unfinished_;
  check_unfinished(call.machine);
}

void Queue::check_unfinished(Machine& machine) {
  if (unfinished_ != 0) return;
  taken_.clear();
  while (!joiners_.empty()) machine.answer(*joiners_.front());
}

void Queue::shut_down(Call& call) {
  const bool immediate = call.in.raw<std::uint8_t>() != 0;
  shut_down_ = true;
  if (immediate) {
    unfinished_ -= std::min<std::uint64_t>(unfinished_, items_.size());
    const auto gone = std::exchange(items_, {});
    if (joinable_) check_unfinished(call.machine);
  }
  const auto error = std::make_exception_ptr(shut_down_error());
  while (!putters_.empty()) call.machine.answer_error(*putters_.front(), error);
  while (items_.empty() && !getters_.empty()) call.machine.answer_error(*getters_.front(), error);
}

void Queue::client_gone(std::uint64_t session, Machine& machine) {
  for (auto taken = taken_.end(); taken != taken_.begin();) {
    --taken;
    if (taken->by.session != session) continue;
    items_.push_front(std::move(taken->item));
    taken = taken_.erase(taken);
  }
  settle(machine);
}

}  // namespace ipc::manager
