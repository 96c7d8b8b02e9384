#pragma once

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/async_result.hpp>
#include <ipc/detail/completions.hpp>
#include <ipc/detail/deadline.hpp>
#include <ipc/detail/result_iterator.hpp>
#include <ipc/error.hpp>

namespace ipc {

namespace detail {

template <class Range>
using ResultIn = std::remove_cvref_t<decltype(*std::begin(std::declval<Range&>()))>;

template <class Range>
concept RangeOfResults = requires {
  typename ResultAccess<ResultIn<Range>>::Several;
};

}  // namespace detail

/// What `as_completed` returns: a range of results, each as soon as it is ready. Move-only; one thread at a time.
template <class Result>
class AsCompleted {
 public:
  using value_type = Result;

  AsCompleted(std::vector<Result> results, detail::Deadline deadline) : state_(std::make_unique<State>(std::move(results), deadline)) {}

  /// The next result that is ready, nothing at the end. Throws `TimeoutError` when none comes in time.
  std::optional<Result> next() {
    const auto position = state_->completions.next(state_->deadline);
    if (!position && state_->completions.left() != 0) {
      throw TimeoutError(std::to_string(state_->completions.left()) + " (of " + std::to_string(state_->completions.size()) +
                         ") results are not ready after the time-out of as_completed. The tasks go on.");
    }
    if (!position) return std::nullopt;
    state_->index = *position;
    return state_->results[*position];
  }
  /// The position, in what was passed to `as_completed`, of the result that was given last.
  std::size_t index() const noexcept { return state_->index; }

  using ResultIterator = detail::ResultIterator<AsCompleted>;
  ResultIterator begin() {
    if (!state_->current) advance();
    return ResultIterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend ResultIterator;
  struct State {
    State(std::vector<Result> all, detail::Deadline until)
        : results(std::move(all)), completions(detail::ResultAccess<Result>::entries(results)), deadline(until) {}
    std::vector<Result> results;
    typename detail::ResultAccess<Result>::Several completions;
    detail::Deadline deadline;
    std::size_t index = 0;
    std::optional<Result> current;
  };
  void advance() { state_->current = next(); }

  std::unique_ptr<State> state_;
};

/// Iterates over results in the order in which they become ready: `for (const auto& result : ipc::as_completed(results))`.
/// They may be of several pools; managed ones (`AsyncResultProxy`) of several of one manager. Those that are ready already come first; one
/// that is there twice is given once. Iterating waits, and throws `TimeoutError` once `timeout`, counted from this call, has passed.
template <detail::RangeOfResults Range>
AsCompleted<detail::ResultIn<Range>> as_completed(const Range& results) {
  return {{std::begin(results), std::end(results)}, detail::Deadline::never()};
}
template <detail::RangeOfResults Range, class Rep, class Period>
AsCompleted<detail::ResultIn<Range>> as_completed(const Range& results, std::chrono::duration<Rep, Period> timeout) {
  return {{std::begin(results), std::end(results)}, detail::Deadline::after(timeout)};
}

/// What `wait` waits for.
enum class WaitFor {
  first_completed,  ///< One result is ready, with a value or not.
  first_exception,  ///< One failed (to be cancelled is not to fail), or all are ready.
  all_completed,
};

/// Positions in what was passed to `wait`, in ascending order.
struct WaitResult {
  std::vector<std::size_t> done;
  std::vector<std::size_t> not_done;
};

namespace detail {

template <class Range>
WaitResult wait_for_results(const Range& range, WaitFor what, Deadline deadline) {
  const std::vector<ResultIn<Range>> results(std::begin(range), std::end(range));
  using Access = ResultAccess<ResultIn<Range>>;
  typename Access::Several completions(Access::entries(results));
  std::vector<bool> ready(results.size());
  for (bool enough = false; completions.left() != 0;) {
    // What is ready already counts in any case.
    const auto position = completions.next(enough ? Deadline::expired_already() : deadline);
    if (!position) break;
    ready[*position] = true;
    enough = enough || what == WaitFor::first_completed ||
             (what == WaitFor::first_exception && Access::failed(results[*position]) && !results[*position].cancelled());
  }
  WaitResult result;
  for (std::size_t i = 0; i < results.size(); ++i) (ready[completions.first_of(i)] ? result.done : result.not_done).push_back(i);
  return result;
}

}  // namespace detail

/// Waits for several results, of one pool or more (see `as_completed`), until as many are ready as `what` says, or `timeout` has passed,
/// which is no error. Returns which are ready and which are not.
template <detail::RangeOfResults Range>
WaitResult wait(const Range& results, WaitFor what = WaitFor::all_completed) {
  return detail::wait_for_results(results, what, detail::Deadline::never());
}
template <detail::RangeOfResults Range, class Rep, class Period>
WaitResult wait(const Range& results, WaitFor what, std::chrono::duration<Rep, Period> timeout) {
  return detail::wait_for_results(results, what, detail::Deadline::after(timeout));
}

}  // namespace ipc
