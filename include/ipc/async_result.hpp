#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ipc/detail/completions.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/result_job.hpp>
#include <ipc/detail/wait_hook.hpp>
#include <ipc/error.hpp>

namespace ipc {

namespace detail {
template <class Result>
struct ResultAccess;

/// Whether a T can really be copied: containers say so of whatever is in them.
template <class T>
inline constexpr bool is_copyable_v = std::is_copy_constructible_v<T>;
template <class T>
requires requires {
  typename T::allocator_type;
  typename T::value_type;
}
inline constexpr bool is_copyable_v<T> = std::is_copy_constructible_v<T> && [] {
  if constexpr (std::is_same_v<typename T::value_type, T>)
    return true;
  else
    return is_copyable_v<typename T::value_type>;
}();
template <class T, std::size_t N>
inline constexpr bool is_copyable_v<std::array<T, N>> = is_copyable_v<T>;
template <class T>
inline constexpr bool is_copyable_v<std::optional<T>> = is_copyable_v<T>;
template <class A, class B>
inline constexpr bool is_copyable_v<std::pair<A, B>> = is_copyable_v<A>&& is_copyable_v<B>;
template <class... T>
inline constexpr bool is_copyable_v<std::tuple<T...>> = (is_copyable_v<T> && ...);
template <class... T>
inline constexpr bool is_copyable_v<std::variant<T...>> = (is_copyable_v<T> && ...);
}  // namespace detail

/// The outcome, some time, of a call that a pool's worker runs: a value or an exception. A handle: copies mean the same
/// outcome, and it may outlive the pool (what was pending then has failed with `PoolTerminated`). Any thread of the
/// process that made the pool may use it, several at a time.
///
/// Waiting also drives the pool: the waiting thread takes in results and hands out tasks, those of other calls included.
template <class R>
class AsyncResult {
 public:
  using value_type = R;

  AsyncResult(std::shared_ptr<detail::PoolCore> core, std::shared_ptr<detail::ResultJob<R>> job)
      : core_(std::move(core)), job_(std::move(job)) {}

  /// Waits for the outcome: the value, or throws what the task threw: the same standard exception, which is a `RemoteError`
  /// as well; `WorkerLost` when its worker died. Values that cannot be copied can be had once.
  R get() const& {
    wait();
    return value();
  }
  R get() && {
    wait();
    return std::move(*this).value();
  }
  /// Throws `TimeoutError` when there is no outcome after `timeout`; the task goes on.
  template <class Rep, class Period>
  R get(std::chrono::duration<Rep, Period> timeout) const {
    if (!wait_for(timeout)) throw TimeoutError("The task has no result yet; the time-out has passed. It goes on.");
    return value();
  }
  void wait() const { wait_until(detail::Deadline::never()); }
  /// Whether there is an outcome within `timeout`.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
    return wait_until(detail::Deadline::after(timeout));
  }
  /// Whether there is an outcome; does not wait.
  bool ready() const {
    if (!settled()) core_->poll();
    return settled();
  }
  /// Whether the outcome is a value. Throws `UsageError` while there is none.
  bool successful() const {
    if (!ready()) throw UsageError("successful() was asked of a result that is not ready; wait() for it first.");
    return !job_->error();
  }

  /// Gives the task up: `get` throws `Cancelled`, at once. A task that has not begun never will; one that runs loses its
  /// worker, which is killed and replaced, and nobody else notices. Returns false when there was an outcome already, true
  /// if this or an earlier call cancelled it.
  bool cancel() const { return core_->cancel(*job_); }
  bool cancelled() const { return core_->cancelled(*job_); }

  /// Has `f` called with the value, once, when it is there; at once and in this thread when it is already. Otherwise it
  /// runs in whichever thread is driving the pool then, before the result is `ready`. What it throws is reported on stderr.
  template <class F>
  const AsyncResult& on_result(F f) const {
    // Shared, because std::function holds only what can be copied.
    core_->when_done(*job_, [f = std::make_shared<F>(std::move(f)), job = std::weak_ptr(job_)] {
      const auto alive = job.lock();
      if (!alive || alive->error()) return;
      if constexpr (std::is_void_v<R>)
        (*f)();
      else
        (*f)(std::as_const(alive->value()));
    });
    return *this;
  }
  /// As `on_result`, for the exception.
  template <class F>
  const AsyncResult& on_error(F f) const {
    core_->when_done(*job_, [f = std::make_shared<F>(std::move(f)), job = std::weak_ptr(job_)] {
      const auto alive = job.lock();
      if (alive && alive->error()) (*f)(alive->error());
    });
    return *this;
  }

  /// For `ipc::wait`: lets a result be waited for together with connections, processes and queues.
  detail::WaitHook ipc_wait_hook() const {
    return {.fd = core_->ready_fd(*job_), .object = job_.get(), .ready = [](void* job) {
              return static_cast<detail::ResultJob<R>*>(job)->ready();
            }};
  }

 private:
  friend struct detail::ResultAccess<AsyncResult>;
  bool settled() const { return job_->ready() || core_->in_callback_of(*job_); }
  bool wait_until(detail::Deadline deadline) const {
    return settled() || core_->wait([this] { return job_->ready(); }, deadline, job_.get());
  }
  R value() const& {
    if (job_->error()) std::rethrow_exception(job_->error());
    if constexpr (!std::is_void_v<R>) {
      if constexpr (detail::is_copyable_v<R>)
        return job_->value();
      else
        return std::move(job_->value());
    }
  }
  R value() && {
    if (job_->error()) std::rethrow_exception(job_->error());
    if constexpr (!std::is_void_v<R>) {
      // Another copy of this handle may want the value as well.
      if (job_.use_count() == 1) return std::move(job_->value());
      return std::as_const(*this).value();
    }
  }

  std::shared_ptr<detail::PoolCore> core_;
  std::shared_ptr<detail::ResultJob<R>> job_;
};

namespace detail {

/// What stands behind results, for those who wait for several; `Several` waits. Other kinds of results have their own.
template <class R>
struct ResultAccess<AsyncResult<R>> {
  using Several = Completions;
  static std::vector<Completions::Entry> entries(const std::vector<AsyncResult<R>>& results) {
    std::vector<Completions::Entry> all;
    all.reserve(results.size());
    for (const auto& result : results) all.push_back({result.core_, result.job_});
    return all;
  }
  /// Of one that is ready.
  static bool failed(const AsyncResult<R>& result) { return result.job_->error() != nullptr; }
};

}  // namespace detail

}  // namespace ipc
