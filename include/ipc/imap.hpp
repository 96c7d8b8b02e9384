#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/imap_job.hpp>
#include <ipc/detail/input_range.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/progress_bar.hpp>
#include <ipc/detail/result_iterator.hpp>
#include <ipc/detail/wait_hook.hpp>
#include <ipc/error.hpp>
#include <ipc/wait.hpp>

namespace ipc {

namespace detail {

/// An input that can say whether its next element is there: a queue. Others may only be asked for it.
template <class Input>
concept TellsIfReady = requires(const std::remove_reference_t<Input>& input) {
  { input.ipc_ready() } -> std::same_as<bool>;
  { input.ipc_wait_hook() } -> std::same_as<WaitHook>;
};

}  // namespace detail

/// What `Pool::imap` and `imap_unordered` return: the results as they come, once. Elements are pulled from the input only
/// as fast as results are taken, so an endless input is fine; an input passed as an lvalue must outlive this object, a container
/// that is an rvalue has its elements moved out of it.
/// Destroying it gives the rest up. Move-only; one thread at a time. Once the pool is closed nothing more is pulled: after the
/// results of what was, `next` throws `UsageError` for the elements that came too late, and it ends.
///
/// The input is gone through in the thread that takes the results, never beside it. `imap` itself begins with that, for a millisecond
/// at most or one element; but an input that can be gone through only once may let it wait, so that is not asked before the first
/// result is. What such an input gives goes to the workers at once, and it is asked for more only while no result is there; so is any
/// other while it takes milliseconds for an element. But nobody can interrupt an input that waits for its next element: results that arrive
/// meanwhile, and the end of a time-out, are seen when it has come.
///
/// An `ipc::Queue` is asked only for what is in it. Results come while it is empty, and the loop over them may put more work into it,
/// as a crawler does; if nobody else takes from it. For the elements of another input that waits, or that depends on the results, use
/// such a queue, or `apply_async`.
///
/// An element whose function threw, or whose worker died, throws from `next` and from `++` in its place; going on
/// afterwards gives the next result.
template <detail::Spread S, class F, class E, class Input>
class ImapResults {
  using Job = detail::ImapJob<S, F, E>;
  using Iterator = detail::RangeIterator<Input>;
  using Sentinel = detail::RangeSentinel<Input>;

 public:
  using value_type = typename Job::R;

  ImapResults(std::shared_ptr<detail::PoolCore> core, F f, Input input, bool ordered, std::size_t chunksize, const detail::TaskTerms& terms,
              const std::string& progress, std::size_t total)
      : state_(std::make_unique<State>(std::move(core), std::move(f), static_cast<Input&&>(input), ordered, chunksize)) {
    state_->job->terms = terms;
    if (!progress.empty()) state_->bar.emplace(progress, total);
    state_->begin();
  }

  /// The next result, nothing at the end. Throws in place of a result that there is not.
  std::optional<value_type> next() { return state_->next(detail::Deadline::never()); }
  /// Throws `TimeoutError` when none has come in time; a later call may get it. Until then elements are pulled from the input, at
  /// least one if there is room for it.
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
    static constexpr bool tells_if_ready = detail::TellsIfReady<Input>;
    /// An element of this may have to be waited for, and nobody knows before.
    static constexpr bool may_wait = !std::forward_iterator<Iterator> && !tells_if_ready;
    /// Chunks that are handed in together: not those that would be kept for an element to come.
    static constexpr std::size_t most_together = may_wait ? 1 : 64;
    /// After so long what was pulled is handed in, and results are looked for.
    static constexpr auto longest_pull = std::chrono::microseconds(50);
    /// So long a result may be kept for an element, which keeps the workers busy.
    static constexpr auto longest_delay = std::chrono::milliseconds(2);
    static constexpr auto longest_begin = std::chrono::milliseconds(1);
    static constexpr auto first_patience = std::chrono::microseconds(50);
    static constexpr auto last_patience = std::chrono::milliseconds(10);
    using Clock = detail::Deadline::Clock;

    State(std::shared_ptr<detail::PoolCore> pool, F function, Input&& from, bool ordered, std::size_t chunksize)
        : core(std::move(pool)), job(std::make_shared<Job>(std::move(function), ordered, chunksize)), input(static_cast<Input&&>(from)) {}
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { core->abandon(*job); }

    /// The workers begin before the first result is asked for, if that takes no waiting.
    void begin() {
      core->submit(job, 0, 0, false);  // Throws if the pool takes nothing more.
      if constexpr (!may_wait) pull(detail::Deadline::after(longest_begin));
    }

    bool is_full() const noexcept {
      return exhausted || (batch.elements.size() % job->chunksize() == 0 && pulled + batch.elements.size() - taken >= limit);
    }
    /// More is pulled in steps of a quarter of what the pool wants in flight.
    bool has_room() const noexcept { return !exhausted && pulled - taken <= limit - limit / 4; }
    /// Fills the room there is. Ends early when the deadline has passed, when the input has nothing, or when a result is there by the
    /// time one is looked for; but `wait_for_first` is for one element at least.
    void pull(detail::Deadline deadline, bool wait_for_first = false) {
      if (!has_room()) return;
      limit = std::max<std::size_t>(core->in_flight_limit(), 1) * job->chunksize();
      auto now = Clock::now();
      auto handed_in = now;
      bool first = wait_for_first;
      while (!is_full() && (std::exchange(first, false) || input_is_ready())) {
        pull_one();
        const auto before = std::exchange(now, Clock::now());
        slow = now - before > longest_delay;
        const bool look = now - handed_in > longest_pull;
        if (look || batch.elements.size() >= most_together * job->chunksize()) {
          hand_in();
          handed_in = now;
        }
        if (now >= deadline.at() || (look && has_arrived())) break;
      }
      hand_in();
    }
    bool input_is_ready() const noexcept {
      if constexpr (tells_if_ready)
        return input.ipc_ready();
      else
        return true;
    }
    /// Whether a result that is there would be kept too long for an element.
    bool cautious() const noexcept { return slow || may_wait; }
    void pull_one() {
      try {
        if (!position) {
          position.emplace(detail::begin_of(input));
          last.emplace(detail::end_of(input));
        } else {
          ++*position;
        }
        if (*position != *last)
          batch.elements.emplace_back(detail::pass_element<Input>(**position));
        else
          exhausted = true;
      } catch (...) {
        // The input cannot be asked for more after that.
        batch.error = std::current_exception();
        exhausted = true;
      }
    }
    /// The whole chunks, and at the end what is left.
    void hand_in() {
      const std::size_t size = batch.elements.size();
      const std::size_t whole = exhausted ? size : size - size % job->chunksize();
      if (whole == 0 && !batch.error) return;
      typename Job::Batch rest;
      for (std::size_t i = whole; i < size; ++i) rest.elements.emplace_back(static_cast<E&&>(batch.elements[i]));
      for (std::size_t i = whole; i < size; ++i) batch.elements.pop_back();
      submit(std::exchange(batch, std::move(rest)));
    }
    void submit(typename Job::Batch whole) {
      job->pack(whole);
      pulled += whole.elements.size() + (whole.error ? 1 : 0);
      detail::Tasks tasks;
      core->locked([&] { tasks = job->add(whole); });
      try {
        core->submit(job, tasks.first, tasks.count, false);
      } catch (...) {
        // The pool was closed meanwhile: what was handed in before still has its results, these elements have the error.
        exhausted = true;
        const auto error = std::current_exception();
        core->locked([&] {
          for (std::uint64_t i = 0; i < tasks.count; ++i) job->fail({tasks.first + i, 1}, error);
        });
      }
    }
    bool has_arrived() { return wait(detail::Deadline::expired_already()); }
    bool wait(detail::Deadline deadline) {
      return !arrived.empty() || core->wait([this] { return !arrived.empty() || job->take(arrived); }, deadline, job.get());
    }

    /// Whether there is a further outcome, in `arrived` then. Throws `TimeoutError`.
    bool await(detail::Deadline deadline) {
      if (!cautious() || !has_arrived()) pull(deadline);
      for (std::chrono::nanoseconds patience = first_patience; arrived.empty(); pull(deadline)) {
        if (pulled != taken) {
          // Only a queue leaves room, as long as there is nothing in it; then it is looked at again and again.
          const bool patient = !has_room();
          if (wait(patient ? deadline : earlier(deadline, detail::Deadline::after(patience)))) break;
          patience = std::min<std::chrono::nanoseconds>(2 * patience, last_patience);
        } else if (exhausted) {
          return false;
        } else if (deadline.is_never()) {
          pull(deadline, true);
        } else if constexpr (tells_if_ready) {
          detail::wait_for_any(std::array{Waitable(input)}, deadline);
        }
        if (arrived.empty() && deadline.expired()) {
          throw TimeoutError("No further result has come within the time-out. Ask again later.");
        }
      }
      return true;
    }
    std::optional<value_type> next(detail::Deadline deadline) {
      if (!await(deadline)) {
        if (bar) bar->finish(taken);
        return std::nullopt;
      }
      typename Job::Outcome outcome = std::move(arrived.front());
      arrived.pop_front();
      ++taken;
      index = outcome.index;
      if (bar) bar->update(taken);
      if (auto* error = std::get_if<std::exception_ptr>(&outcome.what)) std::rethrow_exception(*error);
      return std::move(*std::get_if<value_type>(&outcome.what));
    }

    std::shared_ptr<detail::PoolCore> core;
    std::shared_ptr<Job> job;
    Input input;                       // A reference for an lvalue.
    std::optional<Iterator> position;  // Of the element that was pulled last.
    std::optional<Sentinel> last;
    typename Job::Batch batch;                  // Not handed in yet.
    std::deque<typename Job::Outcome> arrived;  // Taken over from the job, not yet by the consumer.
    std::size_t limit = 0;
    std::size_t pulled = 0;  // And handed in.
    std::size_t taken = 0;
    std::size_t index = 0;
    bool exhausted = false;
    bool slow = false;  // The last element took its time.
    std::optional<value_type> current;
    std::optional<detail::ProgressBar> bar;
  };

  void advance() {
    state_->current.reset();
    if (auto result = state_->next(detail::Deadline::never())) state_->current.emplace(std::move(*result));
  }

  std::unique_ptr<State> state_;
};

}  // namespace ipc
