#pragma once

#include <memory>
#include <mutex>
#include <utility>

#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/wait_hook.hpp>

namespace ipc::detail {

/// Lets `ipc::wait` wait for a managed result: through a connection of its own, which is made when it is first asked for.
class ResultWatch {
 public:
  explicit ResultWatch(std::shared_ptr<Reference> result) noexcept : result_(std::move(result)) {}
  WaitHook hook();

 private:
  bool come() const { return line_->poll(Deadline::expired_already()); }
  /// The server is asked: what it says through the connection may be on its way.
  bool ready() const;

  const std::shared_ptr<Reference> result_;
  std::mutex mutex_;
  std::unique_ptr<ConnectionCore> line_;  // Never changed once it is there.
};

}  // namespace ipc::detail
