#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
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
#include <ipc/error.hpp>

namespace ipc {

/// What `Pool::imap` and `imap_unordered` return: the results as they come, once. Elements are pulled from the input only
/// as fast as results are taken, so an endless input is fine; an input passed as an lvalue must outlive this object.
/// Destroying it gives the rest up. Move-only; one thread at a time.
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

  /// An input iterator: results are moved out of the pool as it goes.
  class ResultIterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = typename ImapResults::value_type;
    using difference_type = std::ptrdiff_t;
    using pointer = value_type*;
    using reference = value_type&;

    ResultIterator() = default;
    explicit ResultIterator(ImapResults* results) : results_(results) {}
    reference operator*() const { return *results_->state_->current; }
    pointer operator->() const { return &**this; }
    ResultIterator& operator++() {
      results_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    bool operator==(std::default_sentinel_t) const { return !results_->state_->current; }

   private:
    ImapResults* results_ = nullptr;
  };
  ResultIterator begin() {
    if (!state_->current) advance();
    return ResultIterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  struct State {
    State(std::shared_ptr<detail::PoolCore> pool, F function, Input&& from, bool ordered, std::size_t chunk)
        : core(std::move(pool)),
          job(std::make_shared<Job>(std::move(function), ordered)),
          input(static_cast<Input&&>(from)),
          position(std::begin(input)),
          last(std::end(input)),
          chunksize(chunk) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { core->abandon(*job); }

    void pull() {
      if (exhausted) return;
      const std::size_t limit = std::max<std::size_t>(core->in_flight_limit() * chunksize, 1);
      if (pulled - taken > limit - limit / 4) return;
      while (!exhausted && pulled - taken < limit) pull_chunk();
    }
    void pull_chunk() {
      std::vector<E> elements;
      std::exception_ptr error;
      const std::size_t first = pulled;
      try {
        for (; elements.size() < chunksize && position != last; ++position) elements.push_back(*position);
        exhausted = !(position != last);
      } catch (...) {
        // The input cannot be asked for more after that.
        error = std::current_exception();
        exhausted = true;
      }
      pulled += elements.size() + (error ? 1 : 0);
      std::uint64_t number = 0;
      const bool any = !elements.empty();
      const std::size_t failed_at = first + elements.size();
      auto batch = job->pack(std::move(elements));
      core->locked([&] {
        if (any) number = job->add(first, std::move(batch));
        if (error) job->add_failure(failed_at, error);
      });
      if (any) core->submit(job, number, 1, false);
    }

    std::optional<value_type> next(detail::Deadline deadline) {
      pull();
      if (pulled == taken) {
        if (bar) bar->finish(taken);
        return std::nullopt;
      }
      std::optional<typename Job::Outcome> outcome;
      if (!core->wait([&] { return outcome.has_value() || job->take(outcome); }, deadline, job.get())) {
        throw TimeoutError("No further result has come within the time-out. Ask again later.");
      }
      ++taken;
      index = outcome->index;
      if (bar) bar->update(taken);
      pull();
      if (auto* error = std::get_if<std::exception_ptr>(&outcome->what)) std::rethrow_exception(*error);
      return std::move(*std::get_if<value_type>(&outcome->what));
    }

    std::shared_ptr<detail::PoolCore> core;
    std::shared_ptr<Job> job;
    Input input;  // A reference for an lvalue.
    Iterator position;
    Sentinel last;
    std::size_t chunksize;
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
