#include <algorithm>
#include <csignal>
#include <cstring>
#include <span>
#include <utility>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/error.hpp>

#include "ipc/pool/state.hpp"
#include "ipc/process/fork_loop.hpp"

namespace ipc::pool {
namespace {

using transport::Wake;

// So many records of one worker are taken in before the others and the callbacks get their turn.
constexpr int records_in_a_row = 512;
// Tasks of so many bytes are published one by one, smaller ones together.
constexpr std::size_t worth_telling = std::size_t{16} << 10;

}  // namespace

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
    if (link->given_up.load(std::memory_order_relaxed)) continue;
    const bool had_outbox = !link->channel.outbox_empty();
    if (!link->stirs() && !had_outbox) continue;
    if (!receive_from(*link)) link->give_up();
    link->channel.publish(Wake::data | Wake::room);
    link->unpublished = false;
    progress = progress || !had_outbox || link->stirs();
  }
  return progress;
}

/// False when the worker's memory is damaged: it cannot be spoken to any more.
bool PoolState::receive_from(Link& link) {
  try {
    if (!link.channel.outbox_empty()) link.channel.pump();
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
      link.ready_since = unpack_time(record.header.note);
      scheduler_.worker_ready(link.id);
      return;
    case RecordKind::init_failed:
      break_down(detail::decode_exception(in));
      return;
    case RecordKind::result:
    case RecordKind::error: {
      const bool is_result = static_cast<RecordKind>(record.header.kind) == RecordKind::result;
      if (broken()) return;  // Its job has its outcome already, and may be gone.
      if (link.sequences.empty() || link.sequences.front() != record.header.sequence)
        throw EncodingError("A worker answered a task that it does not have.");
      link.sequences.pop_front();
      const std::chrono::nanoseconds ran(static_cast<std::int64_t>(record.header.note));
      const auto start = unpack_time(in.raw<std::uint64_t>());
      ++link.tasks;
      link.busy += ran;
      scheduler_.result_weighed(link.id, record.payload.size());
      const TaskRef task = scheduler_.finished(link.id, ran);
      detail::Job& job = job_of(task);
      if (trace_) trace_->task(link.lane, task, job.number_, start, ran, is_result ? "result" : "exception");
      if (job.user_code_ && is_result && !job.abandoned_) {
        const auto* rest = in.take(0);
        job.arrivals_.push_back({tasks_of(task), {{rest, rest + in.remaining()}, std::move(record.fds)}});
        arrived_.push_back(job.self_);
        return;
      }
      deliver(nullptr, job, tasks_of(task), is_result, in);
      outcome(job, task.count);
      return;
    }
    case RecordKind::full:
      if (trace_) trace_->event(link.lane, link.name + " has outgrown max_rss");
      scheduler_.retire(link.id);
      return;
    default:
      throw EncodingError("A worker sent a record of an unknown kind.");
  }
}

/// With a lock, which is not held: this decodes without it, and returns with it.
void PoolState::deliver(Lock* lock, detail::Job& job, detail::Tasks tasks, bool is_result, detail::Reader& in) {
  class Turnstile final : public detail::Gate {
   public:
    Turnstile(Lock* lock, const PoolState& pool, const detail::Job& job) : lock_(lock), pool_(&pool), job_(&job) {}
    bool enter() override {
      if (lock_ != nullptr && !lock_->owns_lock()) lock_->lock();
      return !pool_->broken() && !job_->abandoned_;
    }

   private:
    Lock* lock_;
    const PoolState* pool_;
    const detail::Job* job_;
  };
  Turnstile gate(lock, *this, job);
  if (lock == nullptr && job.abandoned_) return;
  try {
    if (is_result)
      job.deliver(tasks, in, gate);
    else
      job.fail(tasks, detail::decode_exception(in));
  } catch (...) {
    if (gate.enter()) job.fail(tasks, std::current_exception());
  }
}

void PoolState::answer_doorbell(Link& link) {
  link.channel.answer_doorbell();
  // A task that closed descriptors which were not its own has cut its worker off. One that was dismissed is just leaving.
  if (link.channel.peer_closed() && !link.dismissed) link.child.signal(SIGKILL);
}

// --- what goes to the workers ------------------------------------------------------------------------------------------

/// Returns whether it stopped because results have come while a large task was written: whoever is done with one already should
/// have the next, so that as few workers as can keep up are kept awake.
bool PoolState::dispatch(Until until) {
  if (broken()) return false;
  bool results = false;
  while (!results) {
    const auto next = scheduler_.next_hand_over();
    if (!next) break;
    Link& link = *find(next->worker);
    hand_over(link, next->task);
    results = until == Until::results && !link.unpublished &&
              std::any_of(links_.begin(), links_.end(), [](const auto& each) { return each->stirs(); });
  }
  for (const auto& link : links_) {
    if (std::exchange(link->unpublished, false)) link->channel.publish(Wake::data | Wake::room);
  }
  return results;
}

void PoolState::hand_over(Link& link, const TaskRef& task) {
  detail::Job& job = job_of(task);
  std::span<std::byte> room;
  try {
    room = link.channel.payload_room();
  } catch (const Error&) {
    // What it holds goes to others when it is dead, this task as well.
    link.give_up();
    link.sequences.push_back(link.next_sequence++);
    return;
  }
  detail::Writer out(room, link.channel.bulk());
  std::size_t size = 0;
  try {
    job.encode_tasks(tasks_of(task), out);
    size = out.size();
    scheduler_.weighed(link.id, size);
    link.channel.commit({.sequence = link.next_sequence, .kind = static_cast<std::uint8_t>(RecordKind::task)}, out);
  } catch (...) {
    scheduler_.not_handed_over(link.id);
    fail(task, std::current_exception());
    return;
  }
  link.sequences.push_back(link.next_sequence++);
  // What took long to write is not kept until the next is written as well.
  link.unpublished = size < worth_telling;
  if (!link.unpublished) link.channel.publish(Wake::data | Wake::room);
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
        } catch (const process::ServerDied&) {
          // Its end is told by its descriptor as well, but perhaps only after that of its children.
          break_down(why_no_workers());
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
  for (const TaskRef& task : tasks) outcome(job_of(task), task.count);
}

void PoolState::dismiss(Link& link) {
  link.dismissed = true;
  detail::Writer nothing;
  link.channel.commit({.kind = static_cast<std::uint8_t>(RecordKind::dismiss)}, nothing);
  link.channel.publish(Wake::data | Wake::room);
}

}  // namespace ipc::pool
