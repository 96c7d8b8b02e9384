#include "ipc/pool/worker.hpp"

#include <chrono>
#include <exception>
#include <optional>
#include <span>
#include <string>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/throw_probe.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/os/child.hpp"
#include "ipc/os/cpu.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/fork_witness.hpp"
#include "ipc/os/resident.hpp"
#include "ipc/os/stdio.hpp"
#include "ipc/pool/protocol.hpp"
#include "ipc/process/identity.hpp"
#include "ipc/transport/channel.hpp"

namespace ipc::pool {
namespace {

using transport::Record;
using transport::Wake;

class Worker {
  using Clock = std::chrono::steady_clock;

 public:
  Worker(transport::Channel channel, const Appointment& appointment)
      : channel_(std::move(channel)), claims_(channel_.extra_word(claims_word)), max_rss_(appointment.max_rss) {}

  int run(const WorkerDuties& duties) {
    if (!begin(duties.initialize)) return 1;
    while (auto record = next()) {
      if (record->header.kind == static_cast<std::uint8_t>(RecordKind::dismiss)) return end(duties.at_exit);
      const auto start = Clock::now();
      // relaxed: ordered by the claim that follows.
      channel_.extra_word(start_word).store(pack_time(start), std::memory_order_relaxed);
      // A task that the pool took back has been given to another worker.
      if (claims_.claim(record->header.sequence))
        perform(*record, start);
      else
        channel_.release();
      if (!channel_.flush(budget_, Wake::data | Wake::room)) return 0;
    }
    return 0;
  }

 private:
  bool begin(const std::function<void()>& initialize) {
    detail::Writer out;
    RecordKind kind = RecordKind::ready;
    try {
      if (initialize) initialize();
      if (witness_.forked()) os::exit_now(0);
    } catch (const detail::ThrowProbe&) {
    } catch (...) {
      kind = RecordKind::init_failed;
      detail::write_current_exception(out);
    }
    channel_.commit({.note = pack_time(Clock::now()), .kind = static_cast<std::uint8_t>(kind)}, out);
    return channel_.flush(budget_) && kind == RecordKind::ready;
  }

  /// Nothing when the pool is gone.
  std::optional<Record> next() {
    for (;;) {
      if (auto record = channel_.receive()) return record;
      if (channel_.peer_closed()) return std::nullopt;
      // Whoever reads what tasks print should not have to wait for this worker's end.
      os::flush_standard_streams();
      channel_.wait(Wake::data, budget_, detail::Deadline::never());
    }
  }

  void perform(Record& record, Clock::time_point start) {
    detail::Writer out(channel_.payload_room(), channel_.bulk(), witness_.byte());
    out.raw(pack_time(start));
    RecordKind kind = RecordKind::result;
    try {
      detail::Reader in(record.payload, record.fds);
      detail::run_call(in, out);
      out.end_if_forked();
    } catch (const detail::ThrowProbe&) {
    } catch (...) {
      if (out.forked()) end_forked_copy();
      kind = RecordKind::error;
      out.truncate(sizeof(std::uint64_t), 0);
      detail::write_current_exception(out);
    }
    channel_.release();
    const auto end = Clock::now();
    const auto ran = std::chrono::duration_cast<std::chrono::nanoseconds>(end - start);
    channel_.commit(
        {.note = static_cast<std::uint64_t>(ran.count()), .sequence = record.header.sequence, .kind = static_cast<std::uint8_t>(kind)},
        out);
    if (max_rss_ != 0) watch_growth(end);
  }

  /// Of a process that the task has forked, and that has left the task by an exception: the answer is the worker's to give.
  [[noreturn]] static void end_forked_copy() noexcept {
    os::write_to_stderr("ipc: a process that was forked in a task of " + process::identity().name + " threw " +
                        detail::describe_current_exception() + "; it has ended.\n");
    os::exit_now(1);
  }

  void watch_growth(Clock::time_point now) {
    if (full_ || now - rss_seen_ < rss_interval) return;
    rss_seen_ = now;
    if (os::resident_bytes(os::process_id()) <= max_rss_) return;
    full_ = true;
    detail::Writer nothing;
    channel_.commit({.kind = static_cast<std::uint8_t>(RecordKind::full)}, nothing);
  }

  static int end(const std::function<void()>& at_exit) {
    try {
      if (at_exit) at_exit();
      return 0;
    } catch (...) {
      os::write_to_stderr("ipc: worker_exit of " + process::identity().name + " threw " + detail::describe_current_exception() + "\n");
    }
    return 1;
  }

  static constexpr auto rss_interval = std::chrono::milliseconds(10);

  transport::Channel channel_;
  Claims claims_;
  const os::ForkWitness witness_;
  base::WaitBudget budget_{os::allowed_cpus()};
  std::uint64_t max_rss_;
  Clock::time_point rss_seen_{};
  bool full_ = false;
};

std::optional<std::size_t> own_id;

template <class Start>
int employ(detail::Message& letter, Start start) {
  if (letter.fds.size() < 2) throw EncodingError("A worker was started without the descriptors of its channel.");
  detail::Reader in(letter.bytes, std::span(letter.fds).subspan(2));
  const auto appointment = in.raw<Appointment>();
  own_id = static_cast<std::size_t>(appointment.id);
  detail::trace_throws(appointment.trace_throws != 0);
  Worker worker(transport::Channel({std::move(letter.fds[0]), std::move(letter.fds[1])}), appointment);
  return start(worker, in);
}

}  // namespace

int run_worker(detail::Message& letter, const WorkerDuties& duties) {
  return employ(letter, [&](Worker& worker, detail::Reader&) { return worker.run(duties); });
}

int run_spawned_worker(detail::Message& letter) {
  return employ(letter, [](Worker& worker, detail::Reader& in) {
    if (in.at_end()) return worker.run({});
    return worker.run({.initialize = [&] {
      detail::Writer nothing;
      detail::run_call(in, nothing);
    }});
  });
}

}  // namespace ipc::pool

namespace ipc {

std::optional<std::size_t> worker_id() noexcept { return pool::own_id; }

}  // namespace ipc

namespace ipc::detail {

void write_current_exception(Writer& out) { encode_exception(out, std::current_exception(), process::identity().name, os::process_id()); }

}  // namespace ipc::detail
