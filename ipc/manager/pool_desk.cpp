#include "ipc/manager/pool_desk.hpp"

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/error.hpp>
#include <ipc/process.hpp>

#include "ipc/manager/machine.hpp"
#include "ipc/manager/pool_result.hpp"

namespace ipc::manager {

using detail::PoolQuestion;
using detail::ResultStyle;
using detail::TaskHeader;
using detail::Writer;

namespace {

/// The keeper takes so many at a time.
constexpr std::size_t most_orders = 256;

}  // namespace

// --- the desk, as clients see it -----------------------------------------------------------------------------------------

template <class Tell>
void Desk::end_task(std::uint64_t ticket, Machine& machine, Tell tell) {
  const auto task = tasks_.extract(ticket);
  if (task.empty()) return;  // Nobody wants it any more.
  tell(*task.mapped().result, task.mapped().index);
  leave_when_done(machine);
}

void Desk::perform_for_client(Call& call) {
  switch (call.op) {
    case Op::submit:
      return submit(call);
    case Op::inquire:
      return inquire(call);
    case Op::size:
      call.out.raw(std::uint64_t{static_cast<std::uint32_t>(workers_)});
      return;
    case Op::close:
      closed_ = true;
      return leave_when_done(call.machine);
    case Op::abort:
      return terminate(call.machine);
    case Op::join:
      if (!closed_) throw UsageError("The pool is still running: close() or terminate() it before join().");
      if (ended_) return;
      if (!call.patient()) return call.out.nothing();
      call.wait_in(joiners_);
      return;
    default:
      fail_operation();
  }
}

void Desk::check_usable() const {
  if (terminated_) throw UsageError("The pool has been terminated: it takes no more tasks.");
  if (closed_) throw UsageError("The pool has been closed: it takes no more tasks.");
  if (ended_) throw PoolTerminated("The process that ran the managed pool has ended, and its workers with it. Make a new pool.");
}

void Desk::submit(Call& call) {
  const auto header = call.in.raw<TaskHeader>();
  if (header.style >= ResultStyle::count) throw EncodingError("A client asked for a result in a style that there is not.");
  const auto result = std::make_shared<Result>(std::static_pointer_cast<Desk>(shared_from_this()), call.owner.session, header.style);
  take_tasks(call, header, result);
  call.machine.enroll(result);
  if (!result->ready()) call.machine.pend(call.owner.session, result);
  serve_keeper(call.machine);
  if (header.wait == 0) {
    Machine::refer(*call.peer.session, result);
    call.out.raw(result->id);
    return;
  }
  call.object = result;
  result->get(call);
}

void Desk::take_tasks(Call& call, const TaskHeader& header, const std::shared_ptr<Result>& result) {
  check_usable();
  auto tasks = call.take_all();
  const bool idle = result->ready();
  for (Element& task : tasks) {
    const std::uint64_t ticket = ++last_ticket_;
    tasks_[ticket] = {result.get(), result->add(ticket), false};
    orders_.push_back({.kind = OrderKind::run, .ticket = ticket, .header = header, .task = std::move(task)});
  }
  if (result->id == 0) return;  // It begins.
  if (idle && !result->ready()) call.machine.pend(result->session(), result);
  serve_keeper(call.machine);
}

void Desk::inquire(Call& call) {
  const auto question = call.in.raw<PoolQuestion>();
  const auto argument = call.in.raw<std::int64_t>();
  if (question == PoolQuestion::resize) {
    check_usable();
    if (argument < 1) throw std::invalid_argument("A pool needs at least 1 process, not " + std::to_string(argument) + ".");
  }
  const auto result = std::make_shared<Result>(std::static_pointer_cast<Desk>(shared_from_this()), call.owner.session, ResultStyle::whole);
  // Of workers that have left there is nothing to tell.
  if (!leaving_ && !ended_) {
    const std::uint64_t ticket = ++last_ticket_;
    tasks_[ticket] = {result.get(), result->add(ticket), false};
    orders_.push_back({.kind = OrderKind::inquire, .ticket = ticket, .header = {}, .task = {}, .question = question, .argument = argument});
  }
  if (question == PoolQuestion::resize) workers_ = static_cast<std::int32_t>(argument);
  call.machine.enroll(result);
  call.object = result;
  result->get(call);
  serve_keeper(call.machine);
}

void Desk::terminate(Machine& machine) {
  if (terminated_) return;
  terminated_ = closed_ = leaving_ = true;
  fail_all(std::make_exception_ptr(PoolTerminated("The pool was terminated before this task had a result.")), machine);
  orders_.clear();
  orders_.push_back({.kind = OrderKind::stop, .header = {}, .task = {}});
  serve_keeper(machine);
}

// --- the desk, as the keeper sees it -------------------------------------------------------------------------------------

void Desk::perform(Call& call) {
  switch (call.op) {
    case Op::pop:
      if (!orders_.empty()) {
        give_orders(call.out);
        return fail_unsent(call.machine);
      }
      if (!call.patient()) return call.out.nothing();
      call.wait_in(keeper_);
      return;
    case Op::outcome:
      return take_outcome(call);
    default:
      fail_operation();
  }
}

void Desk::give_orders(Answer& out) {
  for (std::size_t count = 0; count < most_orders && !orders_.empty(); ++count) {
    const Order order = std::move(orders_.front());
    orders_.pop_front();
    const auto task = tasks_.find(order.ticket);
    const bool is_task = order.kind == OrderKind::run || order.kind == OrderKind::inquire;
    if (is_task && task == tasks_.end()) continue;  // Withdrawn.
    if (is_task) task->second.handed_out = true;
    const std::size_t before = out.size();
    out.raw(order.kind);
    out.raw(order.ticket);
    if (order.kind == OrderKind::run) {
      out.raw(order.header);
      try {
        out.put(order.task);
      } catch (const std::exception&) {  // No descriptors or no memory are left.
        out.truncate(before);
        unsent_.emplace_back(order.ticket, bytes_of_error(std::current_exception()));
      }
    } else if (order.kind == OrderKind::inquire) {
      out.raw(order.question);
      out.raw(order.argument);
    }
  }
}

void Desk::serve_keeper(Machine& machine) {
  if (orders_.empty() || keeper_.empty()) return;
  machine.answer(*keeper_.front(), [&](Answer& out) { give_orders(out); });
  fail_unsent(machine);
}

void Desk::fail_unsent(Machine& machine) {
  for (const auto& unsent : std::exchange(unsent_, {})) {
    end_task(unsent.first, machine, [&](Result& result, std::uint64_t index) { result.fail(index, unsent.second, machine); });
  }
}

void Desk::take_outcome(Call& call) {
  const auto ticket = call.in.raw<std::uint64_t>();
  const bool is_value = call.in.raw<std::uint8_t>() != 0;
  if (!tasks_.contains(ticket)) return;  // Cancelled, or nobody wants it.
  Element value;
  Bytes error;
  if (is_value) {
    value = call.take();
  } else {
    const std::size_t size = call.in.remaining();
    if (size == 0) throw EncodingError("A task failed without an error.");
    const std::byte* begin = call.in.take(size);
    error.assign(begin, begin + size);
  }
  end_task(ticket, call.machine, [&](Result& result, std::uint64_t index) {
    if (is_value)
      result.succeed(index, std::move(value), call.machine);
    else
      result.fail(index, error, call.machine);
  });
}

void Desk::withdraw(std::uint64_t ticket, bool running) {
  const auto task = tasks_.find(ticket);
  if (task == tasks_.end()) return;
  const bool handed_out = task->second.handed_out;
  tasks_.erase(task);
  if (handed_out && !leaving_) {
    orders_.push_back({.kind = running ? OrderKind::cancel : OrderKind::withdraw, .ticket = ticket, .header = {}, .task = {}});
  }
  serve_keeper(home());
  leave_when_done(home());
}

void Desk::leave_when_done(Machine& machine) {
  if (!closed_ || leaving_ || !tasks_.empty()) return;
  leaving_ = true;
  orders_.push_back({.kind = OrderKind::leave, .header = {}, .task = {}});
  serve_keeper(machine);
}

void Desk::fail_all(const std::exception_ptr& error, Machine& machine) {
  const auto bytes = bytes_of_error(error);
  while (!tasks_.empty()) {
    const Task task = tasks_.begin()->second;
    tasks_.erase(tasks_.begin());
    task.result->fail(task.index, bytes, machine);
  }
}

void Desk::dismiss() noexcept {
  terminated_ = closed_ = leaving_ = true;
  fail_all(std::make_exception_ptr(PoolTerminated("The last proxy of the managed pool has gone, and the pool with it.")), home());
  orders_.clear();
  if (!ended_) home().outlet().stop_keeper(id);
}

void Desk::keeper_ended(Machine& machine) {
  ended_ = true;
  fail_all(std::make_exception_ptr(
               PoolTerminated("The process that ran the managed pool was killed, and its workers with it. Make a new pool.")),
           machine);
  orders_.clear();
  while (!joiners_.empty()) machine.answer(*joiners_.front());
}

// --- pools ---------------------------------------------------------------------------------------------------------------

std::shared_ptr<Object> make_pool(Call& call) {
  auto terms = call.in.raw<detail::ManagedPoolTerms>();
  if (terms.processes == 0) terms.processes = process_cpu_count();
  if (terms.processes < 1) throw std::invalid_argument("A pool needs at least 1 process, not " + std::to_string(terms.processes) + ".");
  if (terms.max_tasks_per_child < 0) throw std::invalid_argument("max_tasks_per_child must be at least 1; leave it out for no limit.");
  if (terms.start_method > StartMethod::forkserver) throw EncodingError("A client asked for a start method that there is not.");
  const std::size_t name_size = call.in.count(1);
  const std::string name(reinterpret_cast<const char*>(call.in.take(name_size)), name_size);
  std::optional<Element> initializer;
  if (!call.in.at_end()) initializer = call.take();
  auto desk = std::make_shared<Desk>(terms.processes);
  call.machine.enroll(desk);
  Writer letter;
  letter.raw(desk->id);
  letter.raw(terms);
  detail::encode(letter, name);
  letter.raw(static_cast<std::uint8_t>(initializer.has_value()));
  if (initializer) {
    letter.bytes(initializer->bytes.data(), initializer->bytes.size());
    if (initializer->baggage != nullptr) {
      for (Fd& fd : initializer->baggage->fds) letter.fd(std::move(fd));
    }
  }
  call.machine.outlet().start_keeper(desk->id, letter);
  return std::make_shared<Pool>(std::move(desk));
}

}  // namespace ipc::manager
