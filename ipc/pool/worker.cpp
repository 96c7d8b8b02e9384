#include "ipc/pool/worker.hpp"

#include <chrono>
#include <exception>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/error.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/os/current.hpp"
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
  explicit Worker(transport::Channel channel) : channel_(std::move(channel)), claims_(channel_.extra_word(claims_word)) {}

  int run(const std::function<void()>& initialize) {
    if (!begin(initialize)) return 1;
    while (auto record = next()) {
      if (record->header.kind == static_cast<std::uint8_t>(RecordKind::dismiss)) return 0;
      const auto start = Clock::now();
      write_start(channel_.extra_word(start_word), start);
      // A task that the pool took back has been given to another worker.
      if (claims_.claim(record->header.sequence))
        perform(*record, start);
      else
        channel_.release();
      if (!channel_.flush(spin_, Wake::data | Wake::room)) return 0;
    }
    return 0;
  }

 private:
  bool begin(const std::function<void()>& initialize) {
    detail::Writer out;
    RecordKind kind = RecordKind::ready;
    try {
      if (initialize) initialize();
    } catch (...) {
      kind = RecordKind::init_failed;
      detail::write_current_exception(out);
    }
    channel_.commit({.kind = static_cast<std::uint8_t>(kind)}, out);
    return channel_.flush(spin_) && kind == RecordKind::ready;
  }

  /// Nothing when the pool is gone.
  std::optional<Record> next() {
    for (;;) {
      if (auto record = channel_.receive()) return record;
      if (channel_.peer_closed()) return std::nullopt;
      // Whoever reads what tasks print should not have to wait for this worker's end.
      os::flush_standard_streams();
      channel_.wait(Wake::data, spin_, detail::Deadline::never());
    }
  }

  void perform(Record& record, Clock::time_point start) {
    detail::Writer out(channel_.payload_room());
    RecordKind kind = RecordKind::result;
    try {
      detail::Reader in(record.payload, record.fds);
      detail::run_call(in, out);
    } catch (...) {
      kind = RecordKind::error;
      out.truncate(0, 0);
      detail::write_current_exception(out);
    }
    channel_.release();
    const auto ran = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start);
    channel_.commit(
        {.note = static_cast<std::uint64_t>(ran.count()), .sequence = record.header.sequence, .kind = static_cast<std::uint8_t>(kind)},
        out);
  }

  transport::Channel channel_;
  Claims claims_;
  base::SpinBudget spin_;
};

}  // namespace

int run_worker(detail::Message& appointment, const std::function<void()>& initializer) {
  if (appointment.fds.size() < 2) throw EncodingError("A worker was started without the descriptors of its channel.");
  Worker worker(transport::Channel({std::move(appointment.fds[0]), std::move(appointment.fds[1])}));
  return worker.run(initializer);
}

int run_spawned_worker(detail::Message& appointment) {
  if (appointment.bytes.empty()) return run_worker(appointment, {});
  return run_worker(appointment, [&] {
    detail::Reader in(appointment.bytes, std::span(appointment.fds).subspan(2));
    detail::Writer nothing;
    detail::run_call(in, nothing);
  });
}

}  // namespace ipc::pool

namespace ipc::detail {

void write_current_exception(Writer& out) { encode_exception(out, std::current_exception(), process::identity().name, os::process_id()); }

}  // namespace ipc::detail
