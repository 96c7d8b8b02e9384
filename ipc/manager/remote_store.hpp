#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <ipc/auth_key.hpp>
#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/tls_options.hpp>

#include "ipc/manager/access.hpp"
#include "ipc/manager/greeting.hpp"
#include "ipc/manager/server_line.hpp"
#include "ipc/transport/tls.hpp"

namespace ipc::manager {

/// A server as this process reaches it: one session, and as many connections as calls were ever made at the same time.
/// There is one for each server.
///
/// In a forked child it is a session of the child's own, with a reference to all that the parent had a reference to at that
/// moment: the parent has it made just before the fork, so that no object is lost in between. A server that does not answer
/// delays a fork only so long. Then the child makes its session when it first needs one, with the references that its parent has
/// by then.
class RemoteStore final : public detail::ObjectStore {
 public:
  /// Throws as `Client`, `ManagerLost` when it ends while greeting, `TimeoutError` when it has not greeted in time.
  static std::shared_ptr<RemoteStore> connect(Access access, std::chrono::nanoseconds patience);
  /// What `encode` wrote. Throws `ManagerLost` when the server is gone.
  static std::shared_ptr<detail::Reference> decode(const detail::ServerId& server, detail::ObjectId id, detail::Reader& reader);
  /// Closes all connections that this process has inherited, in a child that is to be a server itself.
  static void abandon_all() noexcept;

  ~RemoteStore() override;
  detail::Message call(detail::Writer& request) override;
  void release(detail::ObjectId id, std::uint32_t count) noexcept override;
  void encode(detail::ObjectId id, detail::Writer& writer) override;
  std::unique_ptr<detail::ConnectionCore> watch(detail::ObjectId id) override;
  const detail::ServerId& server() const noexcept override { return server_; }
  const std::string& address() const noexcept override { return access_.address; }
  void wait_for_end() noexcept override;

 private:
  friend class StoreRegister;
  /// One connection. While a call uses it, it is not idle.
  struct Line {
    ServerLine connection;
    bool idle = false;
  };
  explicit RemoteStore(Access access);

  /// Throws `TimeoutError` at the deadline.
  std::unique_ptr<detail::ConnectionCore> open(const Greeting& greeting, detail::Deadline deadline = detail::Deadline::never());
  /// One of a session of its own, which has a reference to the object. Throws `ManagerLost`.
  std::unique_ptr<detail::ConnectionCore> lease(detail::ObjectId id);
  Line& borrow();
  void give_back(Line& line) noexcept;
  void drop(Line& line) noexcept;
  [[noreturn]] void fail_lost();
  [[noreturn]] void fail_late() const;
  [[noreturn]] void fail_refused(const std::exception_ptr& why) const;

  // Around a fork, with `mutex_` held.
  void prepare_child() noexcept;
  void become_child() noexcept;
  void forget_child() noexcept;

  const Access access_;
  const std::shared_ptr<const transport::TlsContext> tls_;
  const bool near_;  // On this machine.
  detail::ServerId server_{};
  std::mutex mutex_;
  detail::ServerId session_{};
  detail::ServerId copied_{};  // Whose references ours begins with, should it not have begun.
  std::vector<std::unique_ptr<Line>> lines_;
  std::atomic<bool> lost_{false};
  std::unique_ptr<detail::ConnectionCore> childs_line_;
  detail::ServerId childs_session_{};
  bool was_late_ = false;  // When a child was prepared last.
  bool registered_ = false;
};

}  // namespace ipc::manager
