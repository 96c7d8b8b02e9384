#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/async_result.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/managed_completions.hpp>
#include <ipc/detail/pool_request.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/result_job.hpp>
#include <ipc/detail/result_watch.hpp>
#include <ipc/detail/wait_hook.hpp>
#include <ipc/error.hpp>

namespace ipc {

class PoolProxy;

namespace detail {

template <class T>
inline constexpr bool is_vector_v = false;
template <class T>
inline constexpr bool is_vector_v<std::vector<T>> = true;

/// The outcome of a call on a managed pool.
template <class R>
R outcome_of(Reply& reply) {
  const auto style = reply.in().raw<ResultStyle>();
  if constexpr (!std::is_void_v<R>) {
    if constexpr (is_vector_v<R>) {
      if (style == ResultStyle::chunks) {
        R all;
        while (!reply.in().at_end()) {
          reply.take_by([&](Reader& in) {
            while (!in.at_end()) all.push_back(decode_element<typename R::value_type>(in));
          });
        }
        return all;
      }
    }
    return reply.take_by([](Reader& in) { return decode_all<R>(in); });
  }
}

}  // namespace detail

/// The outcome, some time, of a call on a managed pool: a value or an exception. A proxy: any process may wait for it, and
/// get it, as often as it likes. The outcome lives as long as a proxy of it does; the call goes on without one.
/// What `AsyncResult` says of errors holds here; for the rest see `ListProxy`.
///
/// `as_completed` and `wait` take results of one manager. Nothing of a pool runs in this process, so there is no thread that could
/// call `on_result` back while nobody waits.
template <class R>
class AsyncResultProxy : public detail::ProxyBase {
  using Op = detail::Op;
  using Request = detail::Request;
  using Deadline = detail::Deadline;

 public:
  using value_type = R;

  R get() const { return get_by(Deadline::never()); }
  /// Throws `TimeoutError` when there is no outcome after `timeout`; the task goes on.
  template <class Rep, class Period>
  R get(std::chrono::duration<Rep, Period> timeout) const {
    return get_by(Deadline::after(timeout));
  }
  R get_value() const { return get(); }
  void wait() const { wait_by(Deadline::never()); }
  /// Whether there is an outcome within `timeout`.
  template <class Rep, class Period>
  bool wait_for(std::chrono::duration<Rep, Period> timeout) const {
    return wait_by(Deadline::after(timeout));
  }
  bool ready() const { return status().ready != 0; }
  /// Whether the outcome is a value. Throws `UsageError` while there is none.
  bool successful() const {
    const auto now = status();
    if (now.ready == 0) throw UsageError("successful() was asked of a result that is not ready; wait() for it first.");
    return now.failed == 0;
  }
  /// As of `AsyncResult`.
  bool cancel() const { return Request(reference(), Op::cancel).send().in().template raw<std::uint8_t>() != 0; }
  bool cancelled() const { return status().cancelled != 0; }

  /// For `ipc::wait`: lets a result be waited for together with connections, processes and queues. Takes a connection to the server
  /// for as long as this lives or a copy does; for many results there is `as_completed`.
  detail::WaitHook ipc_wait_hook() const { return watch_->hook(); }

  static AsyncResultProxy ipc_decode(detail::Reader& reader) { return AsyncResultProxy(reader); }

 private:
  friend class PoolProxy;
  static constexpr std::uint64_t tag() { return detail::type_tag<detail::Kept<R>>(); }
  explicit AsyncResultProxy(std::shared_ptr<detail::Reference> reference)
      : ProxyBase(detail::ServedKind::result, tag(), std::move(reference)) {}
  explicit AsyncResultProxy(detail::Reader& reader) : ProxyBase(detail::ServedKind::result, tag(), reader) {}

  R get_by(Deadline deadline) const {
    auto reply = Request(reference(), Op::get, deadline).send();
    if (!reply.done()) throw TimeoutError("The task has no result yet; the time-out has passed. It goes on.");
    return detail::outcome_of<R>(reply);
  }
  bool wait_by(Deadline deadline) const { return Request(reference(), Op::wait, deadline).send().done(); }
  detail::ResultStatus status() const { return Request(reference(), Op::status).send().in().template raw<detail::ResultStatus>(); }

  std::shared_ptr<detail::ResultWatch> watch_ = std::make_shared<detail::ResultWatch>(shared_reference());
};

namespace detail {

/// What stands behind managed results, for those who wait for several.
template <class R>
struct ResultAccess<AsyncResultProxy<R>> {
  using Several = ManagedCompletions;
  static References entries(const std::vector<AsyncResultProxy<R>>& results) {
    References all;
    all.reserve(results.size());
    for (const auto& result : results) all.push_back(result.shared_reference());
    return all;
  }
  /// Of one that is ready.
  static bool failed(const AsyncResultProxy<R>& result) { return !result.successful(); }
};

}  // namespace detail

}  // namespace ipc
