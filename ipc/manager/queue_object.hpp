#pragma once

#include <cstdint>
#include <deque>
#include <list>

#include "ipc/manager/object.hpp"

namespace ipc::manager {

/// A queue; joinable or not. Of a joinable one, items that a client has taken and not called done when it goes are put back
/// at the front: a job does not get lost with its worker.
class Queue final : public Object {
 public:
  Queue(std::int64_t maxsize, bool joinable)
      : Object(joinable ? detail::ServedKind::joinable_queue : detail::ServedKind::queue), maxsize_(maxsize), joinable_(joinable) {}
  void perform(Call& call) override;
  void client_gone(std::uint64_t session, Machine& machine) override;
  /// Of the server's own: whether there is room does not matter to it. Nothing once the queue is shut down.
  void add(Element item, Machine& machine);

 private:
  struct Taken {
    Owner by;
    Element item;
  };
  bool full() const noexcept { return maxsize_ > 0 && static_cast<std::int64_t>(items_.size()) >= maxsize_; }
  void put(Call& call);
  void get(Call& call);
  void done(Call& call);
  void shut_down(Call& call);
  /// Moves as many items to those who wait, and into the room that this makes, as can be.
  void settle(Machine& machine);
  /// Throws when it cannot give the first.
  void hand_out(Answer& out, std::size_t most, const Owner& to, Machine& machine);
  void check_unfinished(Machine& machine);

  std::int64_t maxsize_;
  bool joinable_;
  bool shut_down_ = false;
  std::uint64_t unfinished_ = 0;
  std::deque<Element> items_;
  std::list<Taken> taken_;
  WaitQueue getters_;
  WaitQueue putters_;
  WaitQueue joiners_;
};

}  // namespace ipc::manager
