#pragma once

#include <cstdint>
#include <deque>
#include <exception>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/pool_request.hpp>

#include "ipc/manager/object.hpp"

/// A managed pool. Its tasks run in workers of a process of its own, the *keeper* (see pool_keeper.hpp), which is a client: it
/// asks the pool's *desk* for orders and gives outcomes back, so the server never waits for a task.
///
/// If a client is killed: those of its calls whose results nobody else refers to are withdrawn; what runs of them runs to its
/// end. If the keeper is killed: the kernel kills its workers, and every task without an outcome fails with `PoolTerminated`.
/// If the server is killed: its nursery kills the keepers, and those take their workers along.

namespace ipc::manager {

class Result;

/// What a keeper is told. Behind each stands its ticket, then for `run` a `TaskHeader` and the task, for `inquire` a
/// `PoolQuestion` and its argument. NOTE: wire structure.
enum class OrderKind : std::uint8_t { run, withdraw, cancel, inquire, leave, stop };

/// Where a pool's tasks wait for its keeper, and who knows what has no outcome yet.
class Desk final : public Object {
 public:
  explicit Desk(std::int32_t workers) : Object(detail::ServedKind::desk), workers_(workers) {}
  /// The keeper's calls.
  void perform(Call& call) override;
  /// The calls that clients make on the pool.
  void perform_for_client(Call& call);
  /// The elements that are left of the request are tasks of this result.
  void take_tasks(Call& call, const detail::TaskHeader& header, const std::shared_ptr<Result>& result);
  /// Nobody wants it any more: if it has not begun, it never will. Or, `running` as well: its worker is killed.
  void withdraw(std::uint64_t ticket, bool running);
  /// Nobody refers to the pool any more.
  void dismiss() noexcept;
  void keeper_ended(Machine& machine);

 private:
  struct Order {
    OrderKind kind;
    std::uint64_t ticket = 0;
    detail::TaskHeader header;
    Element task;
    detail::PoolQuestion question{};
    std::int64_t argument = 0;
  };
  struct Task {
    Result* result;  ///< Which withdraws it before its end.
    std::uint64_t index;
    bool handed_out;
  };
  void submit(Call& call);
  void inquire(Call& call);
  void terminate(Machine& machine);
  void take_outcome(Call& call);
  void check_usable() const;
  void give_orders(Answer& out);
  /// Tasks that could not be put into orders.
  void fail_unsent(Machine& machine);
  /// `tell(result, index)` gives it its outcome.
  template <class Tell>
  void end_task(std::uint64_t ticket, Machine& machine, Tell tell);
  void serve_keeper(Machine& machine);
  void leave_when_done(Machine& machine);
  void fail_all(const std::exception_ptr& error, Machine& machine);

  std::int32_t workers_;
  std::uint64_t last_ticket_ = 0;
  std::map<std::uint64_t, Task> tasks_;  // Without an outcome.
  std::deque<Order> orders_;
  std::vector<std::pair<std::uint64_t, Bytes>> unsent_;
  bool closed_ = false;
  bool terminated_ = false;
  bool leaving_ = false;  // The keeper is told to.
  bool ended_ = false;    // The keeper has.
  WaitQueue keeper_;
  WaitQueue joiners_;
};

/// What clients refer to. With the last of them the pool is terminated.
class Pool final : public Object {
 public:
  explicit Pool(std::shared_ptr<Desk> desk) : Object(detail::ServedKind::pool), desk_(std::move(desk)) {}
  ~Pool() override { desk_->dismiss(); }
  void perform(Call& call) override { desk_->perform_for_client(call); }

 private:
  std::shared_ptr<Desk> desk_;
};

/// Starts the keeper. The call is at the pool's terms.
std::shared_ptr<Object> make_pool(Call& call);

}  // namespace ipc::manager
