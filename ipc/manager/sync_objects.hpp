#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "ipc/manager/object.hpp"

namespace ipc::manager {

/// A lock, taken once or, if recursive, again and again by its holder. When a client goes that holds it, the next gets it.
class Mutex final : public Object {
 public:
  explicit Mutex(bool recursive) : Object(recursive ? detail::ServedKind::rlock : detail::ServedKind::lock), recursive_(recursive) {}
  void perform(Call& call) override;
  void client_gone(std::uint64_t session, Machine& machine) override;

  // For conditions.
  /// On behalf of a condition, whose calls wait with the condition as their object.
  void lock(Call& call);
  void unlock(Call& call);
  bool held_by(const Owner& owner) const noexcept { return depth_ != 0 && holder_ == owner; }
  bool held() const noexcept { return depth_ != 0; }
  void require_holder(const Owner& owner) const;
  /// Frees it, however often it was taken, and tells how often that was.
  std::size_t give_away(const Owner& owner, Machine& machine);
  /// Lines up a waiter that has it back so many times when its turn has come.
  void take_back(Waiter& waiter, std::size_t depth, Machine& machine);
  bool recovered(const Owner& owner) const noexcept { return held_by(owner) && recovered_; }

 private:
  void pass_on(Machine& machine);
  void take(const Owner& owner, std::size_t depth, Machine& machine);

  bool recursive_;
  Owner holder_;
  std::size_t depth_ = 0;
  bool recovered_ = false;  // For the holder.
  bool abandoned_ = false;  // For the next one.
  WaitQueue queue_;
};

class Condition final : public Object {
 public:
  explicit Condition(std::shared_ptr<Mutex> mutex) : Object(detail::ServedKind::condition), mutex_(std::move(mutex)) {}
  void perform(Call& call) override;
  void give_up(Waiter& waiter, Machine& machine) override;

 private:
  void wake(std::size_t count, Machine& machine);
  std::shared_ptr<Mutex> mutex_;
  WaitQueue queue_;
};

class Semaphore final : public Object {
 public:
  Semaphore(std::int32_t units, bool bounded)
      : Object(bounded ? detail::ServedKind::bounded_semaphore : detail::ServedKind::semaphore),
        units_(units),
        bound_(units),
        bounded_(bounded) {}
  void perform(Call& call) override;

 private:
  std::int64_t units_;
  std::int64_t bound_;
  bool bounded_;
  WaitQueue queue_;
};

class Event final : public Object {
 public:
  Event() : Object(detail::ServedKind::event) {}
  void perform(Call& call) override;

 private:
  bool set_ = false;
  WaitQueue queue_;
};

class Barrier final : public Object {
 public:
  /// The action may be null. What it takes is in `call`.
  Barrier(std::int32_t parties, std::int64_t patience, detail::TypedOperation action, detail::TypedCall call)
      : Object(detail::ServedKind::barrier), parties_(parties), patience_(patience), action_(action), action_call_(std::move(call)) {}
  void perform(Call& call) override;
  void give_up(Waiter& waiter, Machine& machine) override;
  void forget(const Waiter& waiter, Machine& machine) override;

 private:
  void arrive(Call& call);
  void run_action(Machine& machine);
  void turn_away(Machine& machine);

  std::int32_t parties_;
  std::int64_t patience_;
  detail::TypedOperation action_;
  detail::TypedCall action_call_;
  bool broken_ = false;
  WaitQueue queue_;
};

}  // namespace ipc::manager
