#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include <ipc/bytes.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/fd.hpp>
#include <ipc/listener.hpp>

#include "ipc/os/epoll.hpp"
#include "ipc/transport/authenticator.hpp"
#include "ipc/transport/wire.hpp"

namespace ipc::transport {

/// Somebody who connected, and what came of it.
struct Newcomer {
  Wire wire;            ///< Nothing after a failure.
  std::string peer;     ///< Its address; empty where it has none.
  std::string failure;  ///< Why it is not let in; empty when it is.
};

/// The clients on their way in. Whoever runs it moves all their handshakes on, and never waits for one of them alone.
/// One thread at a time, and only in the process that made it: a forked child leaves it untouched, for the kernel would take
/// the child's changes for the parent's.
class Reception {
 public:
  /// Borrows the listening socket. With a `tls`, which needs an authkey, all clients must speak that.
  Reception(int listener, const ListenerOptions& options, std::shared_ptr<const TlsContext> tls = nullptr);
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;
  ~Reception() { dismiss(); }

  /// The next client that got in or failed. Without one it waits if `block`, until `interrupt`; none otherwise.
  /// Throws `std::system_error` (EMFILE…) when there is no client and none can be had.
  std::optional<Newcomer> next(bool block);
  /// Whether `next` would have one now.
  bool ready();
  /// Ends the `next` of another thread, for good. Any thread.
  void interrupt() noexcept;
  /// Turns away all who wait, and takes no more. `fd` stays readable.
  void dismiss() noexcept;
  /// Readable when there is something to do.
  int fd() const noexcept { return epoll_.fd(); }

 private:
  using Clock = detail::Deadline::Clock;
  struct Candidate {
    Authenticator authenticator;
    std::string peer;
    Clock::time_point since;
    std::size_t received = 0;  // Bytes, when last looked at.
    bool sending = false;
  };
  using Candidates = std::map<std::uint64_t, Candidate>;

  void run(bool block, bool first_look);
  void welcome_some();
  void welcome(Fd socket, std::string peer);
  void advance(Candidates::iterator candidate, bool first_look);
  void end(Candidates::iterator candidate, std::string failure);
  void expire();
  void refresh();
  Candidates::iterator oldest();
  bool crowded() const noexcept { return out_of_fds_ || candidates_.size() >= max_candidates_; }
  std::chrono::nanoseconds patience() const noexcept { return crowded() ? limit_ / 5 : limit_; }

  int listener_;
  std::optional<Bytes> key_;
  std::shared_ptr<const TlsContext> tls_;
  std::chrono::nanoseconds limit_;
  std::size_t max_candidates_;
  os::Epoll epoll_;
  Fd timer_;
  Fd doorbell_;  // Readable while there are results.
  Fd stop_;      // Readable after `interrupt`.
  std::atomic<bool> interrupted_{false};
  bool listening_ = true;    // Whether the epoll looks at the listener.
  bool rung_ = false;        // The doorbell.
  bool timing_ = false;      // Whether the timer is set.
  bool out_of_fds_ = false;  // accept4 found none, until a candidate gives its own back.
  std::uint64_t next_tag_;
  Candidates candidates_;
  std::deque<Newcomer> results_;
};

}  // namespace ipc::transport
