#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/imap_job.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/progress_bar.hpp>
#include <ipc/detail/result_iterator.hpp>
#include <ipc/error.hpp>

namespace ipc {

/// What `Pool::imap` and `imap_unordered` return: the results as they come, once. Elements are pulled from the input only
/// as fast as results are taken, so an endless input is fine; an input passed as an lvalue must outlive this object.
/// Destroying it gives the rest up. Move-only; one thread at a time. Once the pool is closed nothing more is pulled: after the
/// results of what was, `next` throws `UsageError` for the elements that came too late, and it ends.
///
/// An element whose function threw, or whose worker died, throws from `next` and from `++` in its place; going on
/// afterwards gives the next result.
template <detail::Spread S, class F, class E, class Input>
class ImapResults {
  using Job = detail::ImapJob<S, F, E>;
  using Iterator = decltype(std::begin(std::declval<Input&>()));
  using Sentinel = decltype(std::end(std::declval<Input&>()));

 public:
  using value_type = typename Job::R;

  ImapResults(std::shared_ptr<detail::PoolCore> core, F f, Input input, bool ordered, std::size_t chunksize, const detail::TaskTerms& terms,
              const std::string& progress, std::size_t total)
      : state_(std::make_unique<State>(std::move(core), std::move(f), static_cast<Input&&>(input), ordered, chunksize)) {
    state_->job->terms = terms;
    if (!progress.empty()) state_->bar.emplace(progress, total);
    state_->pull();  // The workers begin before the first result is asked for.
  }

  /// The next result, nothing at the end. Throws in place of a result that there is not.
  std::optional<value_type> next() { return state_->next(detail::Deadline::never()); }
  /// Throws `TimeoutError` when none has come in time; a later call may get it.
  template <class Rep, class Period>
  std::optional<value_type> next(std::chrono::duration<Rep, Period> timeout) {
    return state_->next(detail::Deadline::after(timeout));
  }
  /// The position in the input of the element that `next` or `++` last gave a result, or threw, for.
  std::size_t index() const noexcept { return state_->index; }

  using ResultIterator = detail::ResultIterator<ImapResults>;
  ResultIterator begin() {
    if (!state_->current) advance();
    return ResultIterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend ResultIterator;
  struct State {
    static constexpr std::size_t most_together = 64;
    static constexpr auto longest_pull = std::chrono::microseconds(50);

    State(std::shared_ptr<detail::PoolCore> pool, F function, Input&& from, bool ordered, std::size_t chunksize)
        : core(std::move(pool)),
          job(std::make_shared<Job>(std::move(function), ordered, chunksize)),
          input(static_cast<Input&&>(from)),
          position(std::begin(input)),
          last(std::end(input)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { core->abandon(*job); }

    /// Keeps as much in flight as the pool wants, in steps of a quarter. What was pulled is handed in together, but not
    /// held back for an input that takes its time; nor are results that are there already.
    void pull() {
      if (exhausted || pulled - taken > limit - limit / 4) return;
      limit = std::max<std::size_t>(core->in_flight_limit(), 1) * job->chunksize();
      while (!exhausted && pulled - taken < limit) {
        const auto start = std::chrono::steady_clock::now();
        hand_in(pull_together());
        const bool slow = std::chrono::steady_clock::now() - start > longest_pull;
        together = slow ? std::max<std::size_t>(together / 2, 1) : std::min<std::size_t>(together * 2, most_together);
        if (slow && has_arrived()) return;
      }
    }
    typename Job::Batch pull_together() {
      typename Job::Batch batch;
      try {
        for (std::size_t left = together * job->chunksize(); left != 0 && position != last; ++position, --left)
          batch.elements.emplace_back(*position);
        exhausted = !(position != last);
      } catch (...) {
        // The input cannot be asked for more after that.
        batch.error = std::current_exception();
        exhausted = true;
      }
      return batch;
    }
    void hand_in(typename Job::Batch batch) {
      job->pack(batch);
      const bool first = pulled == 0;
      pulled += batch.elements.size() + (batch.error ? 1 : 0);
      detail::Tasks tasks;
      core->locked([&] { tasks = job->add(batch); });
      try {
        core->submit(job, tasks.first, tasks.count, false);
      } catch (...) {
        if (first) throw;
        // The pool was closed meanwhile: what was handed in before still has its results, these elements have the error.
        exhausted = true;
        const auto error = std::current_exception();
        core->locked([&] {
          for (std::uint64_t i = 0; i < tasks.count; ++i) job->fail({tasks.first + i, 1}, error);
        });
      }
    }
    bool has_arrived() {
      if (arrived.empty()) core->locked([this] { job->take(arrived); });
      return !arrived.empty();
    }

    std::optional<value_type> next(detail::Deadline deadline) {
      pull();
      if (pulled == taken) {
        if (bar) bar->finish(taken);
        return std::nullopt;
      }
      if (arrived.empty() && !core->wait([this] { return !arrived.empty() || job->take(arrived); }, deadline, job.get())) {
        throw TimeoutError("No further result has come within the time-out. Ask again later.");
      }
      typename Job::Outcome outcome = std::move(arrived.front());
      arrived.pop_front();
      ++taken;
      index = outcome.index;
      if (bar) bar->update(taken);
      pull();
      if (auto* error = std::get_if<std::exception_ptr>(&outcome.what)) std::rethrow_exception(*error);
      return std::move(*std::get_if<value_type>(&outcome.what));
    }

    std::shared_ptr<detail::PoolCore> core;
    std::shared_ptr<Job> job;
    Input input;  // A reference for an lvalue.
    Iterator position;
    Sentinel last;
    std::deque<typename Job::Outcome> arrived;  // Taken over from the job, not yet by the consumer.
    std::size_t limit = 0;
    std::size_t together = 1;  // Chunks that are handed in at a time.
    std::size_t pulled = 0;
    std::size_t taken = 0;
    std::size_t index = 0;
    bool exhausted = false;
    std::optional<value_type> current;
    std::optional<detail::ProgressBar> bar;
  };

  void advance() {
    state_->current.reset();
    state_->current = state_->next(detail::Deadline::never());
  }

  std::unique_ptr<State> state_;
};

}  // namespace ipc
