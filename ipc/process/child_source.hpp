#pragma once

#include <functional>
#include <memory>
#include <string>

#include <ipc/detail/message.hpp>
#include <ipc/detail/start_method.hpp>
#include <ipc/detail/token.hpp>

#include "ipc/process/child.hpp"

namespace ipc::process {

/// Where workers come from: each runs the same main function with the message of its request, ignores SIGINT, and is
/// killed when this process dies. Any thread may launch, at any time.
class ChildSource {
 public:
  ChildSource() = default;
  ChildSource(const ChildSource&) = delete;
  ChildSource& operator=(const ChildSource&) = delete;
  virtual ~ChildSource() = default;

  /// Throws `Error` when the source is dead, `std::system_error` when there can be no more processes.
  virtual Child launch(const std::string& child_name, detail::Message&& request) = 0;
  /// Readable when the source has died and can launch no more. -1 for sources that cannot die.
  virtual int pidfd() const = 0;
};

/// `entry_for_fork` is the main function of forked children: it may capture anything. Others run the function that
/// `entry_token` names, an `int(detail::Message&)`. With spawn or forkserver, throws `UsageError` if `ipc::init` was not
/// called.
std::unique_ptr<ChildSource> make_child_source(StartMethod method, const std::function<int(detail::Message&)>& entry_for_fork,
                                               detail::Token entry_token, std::string name);

}  // namespace ipc::process
