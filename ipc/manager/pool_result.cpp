#include "ipc/manager/pool_result.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include <ipc/error.hpp>

#include "ipc/manager/machine.hpp"
#include "ipc/manager/pool_desk.hpp"

namespace ipc::manager {

using detail::ResultStyle;
using detail::ServedKind;
using detail::TaskHeader;

Result::Result(std::shared_ptr<Desk> desk, std::uint64_t session, ResultStyle style)
    : Object(ServedKind::result), desk_(std::move(desk)), session_(session), style_(style) {}

Result::~Result() {
  for (const Slot& slot : slots_) {
    if (!slot.done) desk_->withdraw(slot.ticket, false);
  }
}

std::uint64_t Result::add(std::uint64_t ticket) {
  slots_.push_back({.ticket = ticket, .value = {}, .error = {}});
  ++unfinished_;
  return first_ + slots_.size() - 1;
}

void Result::succeed(std::uint64_t index, Element value, Machine& machine) {
  at(index).value = std::move(value);
  settled(index, machine);
}

void Result::fail(std::uint64_t index, const Bytes& error, Machine& machine) {
  if (error_.empty()) error_ = error;
  if (style_ == ResultStyle::stream) at(index).error = error;
  settled(index, machine);
}

void Result::settled(std::uint64_t index, Machine& machine) {
  const auto self = shared_from_this();  // The client that made the call may be the last to hold it.
  at(index).done = true;
  ++done_;
  if (style_ == ResultStyle::stream) arrived_.push_back(index);
  if (--unfinished_ == 0) machine.settled(session_, id);
  serve(machine);
}

void Result::perform(Call& call) {
  const bool stream = style_ == ResultStyle::stream;
  switch (call.op) {
    case Op::get:
      return get(call);
    case Op::wait:
      if (ready()) return;
      if (!call.patient()) return call.out.nothing();
      call.wait_in(waiters_);
      return;
    case Op::pop: {
      const bool in_order = call.in.raw<std::uint8_t>() != 0;
      if (!stream) fail_operation();
      if (const auto index = next(in_order)) return write_next(call.out, *index);
      if (!call.patient() || slots_.empty()) return call.out.nothing();
      call.wait_in(waiters_).flag = in_order;
      return;
    }
    case Op::extend: {
      const auto header = call.in.raw<TaskHeader>();
      return desk_->take_tasks(call, header, std::static_pointer_cast<Result>(shared_from_this()));
    }
    case Op::status: {
      detail::ResultStatus status;
      status.done = done_;
      status.ready = static_cast<std::uint8_t>(ready());
      status.failed = static_cast<std::uint8_t>(!error_.empty());
      status.cancelled = static_cast<std::uint8_t>(cancelled_);
      call.out.raw(status);
      return;
    }
    case Op::notify:
      return announce(call);
    case Op::cancel:
      return cancel(call);
    default:
      fail_operation();
  }
}

void Result::get(Call& call) {
  if (style_ == ResultStyle::stream) fail_operation();
  if (ready()) return write(call.out);
  if (!call.patient()) return call.out.nothing();
  call.wait_in(waiters_);
}

/// The request has a queue and an item for it, without objects: a result that has itself in one would live for ever.
void Result::announce(Call& call) {
  if (style_ == ResultStyle::stream) fail_operation();
  const Element where = call.take();
  Element item = call.take();
  const bool one = where.baggage != nullptr && where.baggage->objects.size() == 1;
  const auto queue = one ? std::dynamic_pointer_cast<Queue>(where.baggage->objects.front()) : nullptr;
  if (queue == nullptr || item.baggage != nullptr) throw EncodingError("A client asked for word of a result in a way that there is not.");
  if (ready()) return queue->add(std::move(item), call.machine);
  // Of those who have asked again and again, and have left.
  std::erase_if(notices_, [](const Notice& notice) { return notice.queue.expired(); });
  notices_.push_back({queue, std::move(item)});
}

void Result::cancel(Call& call) {
  if (!cancelled_ && !ready()) {
    cancelled_ = true;
    const auto error = bytes_of_error(std::make_exception_ptr(Cancelled("The task was cancelled.")));
    error_ = error;
    for (std::uint64_t index = first_; index < first_ + slots_.size(); ++index) {
      if (at(index).done) continue;
      desk_->withdraw(at(index).ticket, true);
      fail(index, error, call.machine);
    }
  }
  call.out.raw(static_cast<std::uint8_t>(cancelled_));
}

void Result::write(Answer& out) const {
  if (!error_.empty()) return out.fail(error_);
  out.raw(style_);
  for (const Slot& slot : slots_) out.put(slot.value);
}

std::optional<std::uint64_t> Result::next(bool in_order) const {
  if (!in_order) return arrived_.empty() ? std::nullopt : std::optional(arrived_.front());
  const auto slot = std::ranges::find_if(slots_, [](const Slot& each) { return !each.taken; });
  if (slot == slots_.end() || !slot->done) return std::nullopt;
  return first_ + static_cast<std::uint64_t>(slot - slots_.begin());
}

void Result::write_next(Answer& out, std::uint64_t index) {
  Slot& slot = at(index);
  out.raw(index);
  out.raw(static_cast<std::uint8_t>(slot.error.empty()));
  if (slot.error.empty())
    out.put(slot.value);
  else
    out.bytes(slot.error.data(), slot.error.size());
  slot = {.ticket = slot.ticket, .value = {}, .error = {}, .done = true, .taken = true};
  std::erase(arrived_, index);
  for (; !slots_.empty() && slots_.front().taken; ++first_) slots_.pop_front();
}

void Result::serve(Machine& machine) {
  if (style_ != ResultStyle::stream) {
    if (!ready()) return;
    while (!waiters_.empty()) {
      Waiter& waiter = *waiters_.front();
      machine.answer(waiter, [&](Answer& out) {
        if (waiter.op != Op::wait) write(out);
      });
    }
    for (Notice& notice : std::exchange(notices_, {})) {
      if (const auto queue = notice.queue.lock()) queue->add(std::move(notice.item), machine);
    }
    return;
  }
  for (auto place = waiters_.begin(); place != waiters_.end();) {
    Waiter& waiter = **place++;
    const auto index = next(waiter.flag);
    if (index) machine.answer(waiter, [&](Answer& out) { write_next(out, *index); });
  }
}

}  // namespace ipc::manager
