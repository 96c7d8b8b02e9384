#pragma once

#include <functional>
#include <span>

#include <ipc/detail/message.hpp>
#include <ipc/detail/reader.hpp>
#include <ipc/error.hpp>
#include <ipc/fd.hpp>

#include "ipc/process/child.hpp"
#include "ipc/process/letter.hpp"

namespace ipc::process {

/// The life of a single-threaded process that forks others on request: a nursery or a fork server.
///
/// Over `control` it receives letters whose head begins with a `Birth`, and answers each with a `ForkReply`. It reaps
/// its children and sends each one's exit code through that child's status socket, of which it alone holds the sending
/// end. It leaves when its client asks it to, after killing and reaping what is left of its children
/// if `kill_children`; and when the client dies.
///
/// If it is killed: the status sockets and the control socket hang up, because its children closed their copies first.
struct ForkLoop {
  Fd control;
  Fd client_pidfd;
  bool kill_children = false;
  /// Runs in each child: `head` is what followed the `Birth`.
  std::function<int(detail::Reader& head, detail::Message& body)> child_main;

  [[noreturn]] void run() noexcept;
};

/// The process that should fork was killed before it did.
class ServerDied : public Error {
 public:
  using Error::Error;
};

/// The client's side: has the process at the other end of `control` fork a child. One call at a time.
/// `head` begins with the child's `Birth`. Throws `ServerDied`, naming it `who`: then nothing has run; and
/// `std::system_error` when it cannot fork or this process has no descriptor left.
Child request_child(int control, int server_pidfd, const char* who, std::span<const std::byte> head, std::span<const std::byte> body,
                    std::span<const Fd> fds);

/// Asks the process at the other end to leave.
void request_leave(int control);

}  // namespace ipc::process
