#pragma once

#include <functional>
#include <mutex>
#include <string>

#include <ipc/detail/message.hpp>
#include <ipc/fd.hpp>

#include "ipc/process/child.hpp"

namespace ipc::process {

/// A single-threaded process, forked by the constructor from the calling one, which forks further processes on request:
/// they are copies of the caller as it was then, however many threads it has by now.
///
/// It leaves when the caller's process dies, however that dies, and its children are killed when it dies. It and they
/// ignore SIGINT. The destructor ends it, and with it the children that are still there. Any thread may call; in
/// a process that inherited the object by a fork, the destructor does nothing.
class Nursery {
 public:
  using Message = detail::Message;

  /// `child_main` runs in each child with the message of its request; its result is the exit status. An exception
  /// leaving it is reported on stderr, and is status 1.
  Nursery(const std::function<int(Message&)>& child_main, std::string name);
  Nursery(const Nursery&) = delete;
  Nursery& operator=(const Nursery&) = delete;
  ~Nursery();

  /// A child that is called as the nursery is, or by a name of its own. The message's descriptors stay the caller's.
  /// Throws `Error` when the nursery is dead, `std::system_error` when it cannot fork.
  Child launch(const Message& request) { return launch(name_, request); }
  Child launch(const std::string& child_name, const Message& request);
  pid_t pid() const noexcept { return process_.pid(); }
  /// Readable when the nursery has died.
  int pidfd() const noexcept { return process_.pidfd(); }

 private:
  const std::string name_;
  const pid_t owner_;
  std::mutex mutex_;  // One request at a time.
  Fd control_;
  Child process_;
};

}  // namespace ipc::process
