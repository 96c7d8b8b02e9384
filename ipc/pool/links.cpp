#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/error.hpp>

#include "ipc/os/signal_name.hpp"
#include "ipc/pool/state.hpp"

namespace ipc::pool {
namespace {

using transport::Wake;

// So many records of one worker are taken in before the others and the callbacks get their turn.
constexpr int records_in_a_row = 512;

std::string how_it_ended(int exitcode) {
  if (exitcode < 0) return "was killed by " + os::signal_name(-exitcode);
  return "left with exit status " + std::to_string(exitcode);
}

std::string process_label(const Link& link) { return link.name + " (pid " + std::to_string(link.child.pid()) + ")"; }

std::exception_ptr why_lost(const Link& link, int exitcode, Scheduler::Cause cause, const detail::TaskTerms& terms) {
  if (cause == Scheduler::Cause::overran) {
    const double seconds = std::chrono::duration<double>(terms.time_limit).count();
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%g", seconds);
    return std::make_exception_ptr(TaskTimeout(std::string("The task ran for longer than its ") + text.data() +
                                               " s, so its worker process " + process_label(link) + " was killed and replaced."));
  }
  const std::string what = "The worker process " + process_label(link) + " " + how_it_ended(exitcode) + " while it ran this task.";
  return std::make_exception_ptr(WorkerLost(what, link.child.pid(), exitcode));
}

}  // namespace

void PoolState::start_worker(WorkerId id) {
  auto [ours, seed] = transport::Channel::create(ring_capacity);
  auto link = std::make_unique<Link>(id, settings_.name + "Worker-" + std::to_string(++workers_named_), std::move(ours));
  detail::Message appointment;
  if (settings_.start_method != StartMethod::fork && settings_.ship_initializer) {
    detail::Writer out;
    settings_.ship_initializer(out);
    appointment = out.take();
  }
  std::vector<Fd> fds;
  fds.push_back(std::move(seed.memory));
  fds.push_back(std::move(seed.socket));
  std::move(appointment.fds.begin(), appointment.fds.end(), std::back_inserter(fds));
  appointment.fds = std::move(fds);
  link->child = source_->launch(link->name, std::move(appointment));
  links_.push_back(std::move(link));
  ++links_version_;
}

Link* PoolState::find(WorkerId id) noexcept {
  for (const auto& link : links_) {
    if (link->id == id) return link.get();
  }
  return nullptr;
}

// --- what comes from the workers ---------------------------------------------------------------------------------------

bool PoolState::receive_all() {
  bool progress = false;
  for (const auto& link : links_) {
    if (!link->channel.has_data() && link->channel.outbox_empty()) continue;
    const bool had_outbox = !link->channel.outbox_empty();
    if (had_outbox) link->channel.pump();
    if (!receive_from(*link)) link->child.signal(SIGKILL);
    link->channel.publish(Wake::data | Wake::room);
    link->unpublished = false;
    progress = progress || !had_outbox || link->channel.has_data();
  }
  return progress;
}

/// False when the worker's memory is damaged: it cannot be spoken to any more.
bool PoolState::receive_from(Link& link) {
  try {
    for (int i = 0; i < records_in_a_row; ++i) {
      auto record = link.channel.receive();
      if (!record) break;
      handle(link, *record);
      link.channel.release();
    }
    return true;
  } catch (const Error&) {
    return false;
  }
}

void PoolState::handle(Link& link, transport::Record& record) {
  detail::Reader in(record.payload, record.fds);
  switch (static_cast<RecordKind>(record.header.kind)) {
    case RecordKind::ready:
      scheduler_.worker_ready(link.id);
      return;
    case RecordKind::init_failed:
      break_down(detail::decode_exception(in));
      return;
    case RecordKind::result:
    case RecordKind::error: {
      if (broken()) return;  // Its job has its outcome already, and may be gone.
      if (link.sequences.empty() || link.sequences.front() != record.header.sequence)
        throw EncodingError("A worker answered a task that it does not have.");
      link.sequences.pop_front();
      const std::chrono::nanoseconds ran(static_cast<std::int64_t>(record.header.note));
      ++link.tasks;
      link.busy += ran;
      const TaskRef task = scheduler_.finished(link.id, ran);
      detail::Job& job = job_of(task);
      if (!job.abandoned_) {
        try {
          if (static_cast<RecordKind>(record.header.kind) == RecordKind::result)
            job.deliver(task.index, in);
          else
            job.fail(task.index, detail::decode_exception(in));
        } catch (...) {
          job.fail(task.index, std::current_exception());
        }
      }
      outcome(job);
      return;
    }
    default:
      throw EncodingError("A worker sent a record of an unknown kind.");
  }
}

void PoolState::answer_doorbell(Link& link) {
  link.channel.answer_doorbell();
  // A task that closed descriptors which were not its own has cut its worker off. One that was dismissed is just leaving.
  if (link.channel.peer_closed() && !link.dismissed) link.child.signal(SIGKILL);
}

// --- what goes to the workers ------------------------------------------------------------------------------------------

void PoolState::dispatch() {
  if (broken()) return;
  while (const auto next = scheduler_.next_hand_over()) hand_over(*find(next->worker), next->task);
  for (const auto& link : links_) {
    if (std::exchange(link->unpublished, false)) link->channel.publish(Wake::data | Wake::room);
  }
}

void PoolState::hand_over(Link& link, const TaskRef& task) {
  detail::Job& job = job_of(task);
  detail::Writer out(link.channel.payload_room());
  try {
    job.encode_task(task.index, out);
    link.channel.commit({.sequence = link.next_sequence, .kind = static_cast<std::uint8_t>(RecordKind::task)}, out);
  } catch (...) {
    scheduler_.not_handed_over(link.id);
    fail(task, std::current_exception());
    return;
  }
  link.sequences.push_back(link.next_sequence++);
  link.unpublished = true;
}

bool PoolState::perform_actions() {
  bool any = false;
  while (const auto action = scheduler_.next_action()) {
    any = true;
    switch (action->kind) {
      case Scheduler::Action::Kind::start:
        if (broken()) break;
        try {
          start_worker(action->worker);
        } catch (...) {
          if (scheduler_.worker_lost(action->worker, false).hopeless) break_down(std::current_exception());
        }
        break;
      case Scheduler::Action::Kind::take_back:
        if (Link* link = find(action->worker)) take_back(*link);
        break;
      case Scheduler::Action::Kind::kill:
        if (Link* link = find(action->worker)) link->child.signal(SIGKILL);
        break;
      case Scheduler::Action::Kind::dismiss:
        if (Link* link = find(action->worker)) dismiss(*link);
        break;
    }
  }
  return any;
}

void PoolState::take_back(Link& link) {
  const std::uint32_t first = link.claims().revoke(link.next_sequence);
  std::size_t count = 0;
  while (!link.sequences.empty() && !Claims::before(link.sequences.back(), first)) {
    link.sequences.pop_back();
    ++count;
  }
  end_cancelled(scheduler_.taken_back(link.id, count));
}

/// They have their outcome; now they are over.
void PoolState::end_cancelled(const std::vector<TaskRef>& tasks) {
  if (broken()) return;
  for (const TaskRef& task : tasks) outcome(job_of(task));
}

void PoolState::dismiss(Link& link) {
  link.dismissed = true;
  detail::Writer nothing;
  link.channel.commit({.kind = static_cast<std::uint8_t>(RecordKind::dismiss)}, nothing);
  link.channel.publish(Wake::data | Wake::room);
}

// --- the end of workers ------------------------------------------------------------------------------------------------

void PoolState::lose(Link& link) {
  // What it had published before it died counts.
  while (link.channel.has_data() && receive_from(link)) continue;
  const int exitcode = link.child.wait(detail::Deadline::never()).value_or(process::Child::unknown_exitcode);
  const bool begun = !link.sequences.empty() && link.claims().begun(link.sequences.front());
  const auto loss = scheduler_.worker_lost(link.id, begun);
  end_cancelled(loss.cancelled);
  if (loss.running && !broken()) fail(*loss.running, why_lost(link, exitcode, loss.cause, job_of(*loss.running).terms));
  if (loss.hopeless) {
    const std::string what = "The pool's workers die before they are ready; the last, " + process_label(link) + ", " +
                             how_it_ended(exitcode) + ". Look at what the initializer and the code before main do.";
    break_down(std::make_exception_ptr(WorkerLost(what, link.child.pid(), exitcode)));
  }
  former_workers_.push_back({link.name, link.child.pid(), link.tasks, link.busy});
  std::erase_if(links_, [&](const auto& other) { return other.get() == &link; });
  ++links_version_;
}

void PoolState::break_down(std::exception_ptr error) {
  if (broken()) return;
  failure_ = std::move(error);
  fail_everything(failure_);
  kill_workers();
}

void PoolState::kill_workers() {
  for (const auto& link : links_) link->child.signal(SIGKILL);
}

}  // namespace ipc::pool
