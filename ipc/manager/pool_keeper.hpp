#pragma once

#include <unordered_map>
#include <vector>

#include <ipc/detail/message.hpp>
#include <ipc/detail/served.hpp>
#include <ipc/detail/writer.hpp>

#include "ipc/manager/access.hpp"
#include "ipc/os/epoll.hpp"
#include "ipc/process/child.hpp"
#include "ipc/process/nursery.hpp"

namespace ipc::manager {

/// The keepers of a server's pools: a keeper is a process with a `Pool`, which runs the tasks that it gets from a desk (see
/// pool_desk.hpp), as a client of the server.
///
/// They are forked from a nursery that the constructor forks, so that no connection of a client's gets into them, and the
/// server may have threads. When this process dies, however, they do, and their workers.
class Keepers {
 public:
  Keepers();
  /// `letter` is from `make_pool`. Throws when there can be no more processes.
  void start(detail::ObjectId desk, const Access& access, detail::Writer& letter);
  void stop(detail::ObjectId desk) noexcept;
  /// Readable when one has ended.
  int fd() const noexcept { return epoll_.fd(); }
  /// The desks of those that have.
  std::vector<detail::ObjectId> ended();

 private:
  process::Nursery nursery_;
  os::Epoll epoll_;
  std::unordered_map<detail::ObjectId, process::Child> children_;
};

}  // namespace ipc::manager
