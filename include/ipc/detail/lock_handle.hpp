#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include <ipc/detail/deadline.hpp>

namespace ipc::sync {
struct LockState;
}  // namespace ipc::sync

namespace ipc::detail {

class Reader;
class Writer;

/// What `Lock` and `RLock` have in common: a mutual exclusion between the threads of all processes that have a copy of it,
/// inherited by fork or received. Standard Lockable and TimedLockable. Owned by the thread that locked it.
///
/// When the holder dies, the next one to lock it gets it, and `recovered()` tells that what it protects may be half
/// changed; after that `unlock` it is as new. A thread holds at most 2000 locks at a time, those of values, arrays and conditions
/// counted: the kernel looks after no more when it dies, and locking another throws `UsageError`.
/// Any thread may use one handle at the same time as others.
class LockHandle {
 public:
  void lock() const;
  [[nodiscard]] bool try_lock() const;
  template <class Rep, class Period>
  [[nodiscard]] bool try_lock_for(std::chrono::duration<Rep, Period> time) const {
    return lock_by(Deadline::after(time));
  }
  template <class Clock, class Duration>
  [[nodiscard]] bool try_lock_until(std::chrono::time_point<Clock, Duration> at) const {
    const auto now = Clock::now();
    return at <= now ? try_lock() : try_lock_for(at - now);
  }
  /// Throws `UsageError` when this thread does not hold it. After fork the child's thread does not hold what its parent's did.
  void unlock() const;
  /// True while it is held by somebody whose predecessor died holding it.
  [[nodiscard]] bool recovered() const;

  /// Whether both are handles of the same lock.
  friend bool operator==(const LockHandle&, const LockHandle&) = default;

  void ipc_encode(Writer& writer) const;
  /// Either of the two.
  static LockHandle ipc_decode(Reader& reader);

  explicit LockHandle(std::shared_ptr<sync::LockState> state) noexcept;
  const std::shared_ptr<sync::LockState>& state() const noexcept { return state_; }

 protected:
  explicit LockHandle(bool recursive);
  static LockHandle decode(Reader& reader, bool recursive);

 private:
  bool lock_by(Deadline deadline) const;

  std::shared_ptr<sync::LockState> state_;
};

/// Whether the calling thread, which has locked it, has done so more than once.
bool is_locked_again(const LockHandle& lock) noexcept;

/// Holds a lock for a scope, whatever becomes of the handle it was given, as long as this process has another one: `kept` may own
/// that.
class LockHold {
 public:
  explicit LockHold(const LockHandle& lock, std::shared_ptr<const void> kept = nullptr)
      : kept_(std::move(kept)), state_(lock.state().get()) {
    lock.lock();
  }
  LockHold(LockHold&& other) noexcept : kept_(std::move(other.kept_)), state_(std::exchange(other.state_, nullptr)) {}
  LockHold& operator=(LockHold&& other) noexcept {
    const LockHold before(std::move(*this));
    kept_ = std::move(other.kept_);
    state_ = std::exchange(other.state_, nullptr);
    return *this;
  }
  ~LockHold() {
    if (state_ != nullptr) unlock();
  }
  bool recovered() const;

 private:
  void unlock() noexcept;

  std::shared_ptr<const void> kept_;
  sync::LockState* state_;
};

}  // namespace ipc::detail
