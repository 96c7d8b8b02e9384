#pragma once

#include <memory>

#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/message.hpp>
#include <ipc/detail/writer.hpp>

#include "ipc/base/spin.hpp"
#include "ipc/os/cpu.hpp"

namespace ipc::manager {

/// A connection to a manager's server as its client has it, greeted already: the counterpart of `ClientLine`. Where the server
/// is on this machine, it goes on through rings when it is seen to be used. One thread at a time.
class ServerLine {
 public:
  /// `near`: on this machine, through a unix socket.
  ServerLine(std::unique_ptr<detail::ConnectionCore> socket, bool near) noexcept
      : socket_(std::move(socket)), calls_before_rings_(near ? trial_calls : 0) {}

  /// Sends a request and waits for its answer. Throws `EndOfFile` and `BrokenPipe` when the server has gone, and
  /// `EncodingError` for descriptors over TCP, which sends nothing.
  detail::Message call(detail::Writer& request);
  /// Sends a request that has no answer.
  void send(detail::Writer& request);

 private:
  void ask_for_rings();
  detail::Message hear_at_socket();

  /// Rings are not worth their making for fewer.
  static constexpr int trial_calls = 4;

  std::unique_ptr<detail::ConnectionCore> socket_;
  std::unique_ptr<detail::ConnectionCore> rings_;
  base::SpinBudget spin_{os::allowed_cpus()};
  int calls_before_rings_;
};

}  // namespace ipc::manager
