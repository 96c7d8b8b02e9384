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
#include <utility>
#include <variant>
#include <vector>

#include <ipc/detail/deadline.hpp>
#include <ipc/detail/exception.hpp>
#include <ipc/detail/map_job.hpp>
#include <ipc/detail/pool_request.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/result_iterator.hpp>
#include <ipc/error.hpp>

namespace ipc {

/// What `PoolProxy::imap` and `imap_unordered` return: as `ImapResults`. What the pool has not begun when this ends never
/// will be. Move-only; one thread at a time.
template <class F, class E, class Input>
class ImapResultsProxy {
  using R = detail::MapResult<detail::Spread::no, F, E>;
  using Iterator = decltype(std::begin(std::declval<Input&>()));
  using Sentinel = decltype(std::end(std::declval<Input&>()));

 public:
  using value_type = detail::Kept<R>;

  /// At most `window` chunks are under way.
  ImapResultsProxy(std::shared_ptr<detail::Reference> pool, F f, Input input, bool ordered, std::size_t chunksize, std::size_t window,
                   const detail::TaskTerms& terms)
      : state_(std::make_unique<State>(std::move(pool), std::move(f), static_cast<Input&&>(input), ordered, chunksize, window, terms)) {
    state_->pull();
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

  using ResultIterator = detail::ResultIterator<ImapResultsProxy>;
  ResultIterator begin() {
    if (!state_->current) advance();
    return ResultIterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  friend ResultIterator;
  struct Outcome {
    std::size_t index;
    std::variant<value_type, std::exception_ptr> what;
  };

  struct State {
    State(std::shared_ptr<detail::Reference> of, F function, Input&& from, bool in_order, std::size_t chunk, std::size_t most,
          const detail::TaskTerms& task_terms)
        : pool(std::move(of)),
          f(std::move(function)),
          input(static_cast<Input&&>(from)),
          position(std::begin(input)),
          last(std::end(input)),
          ordered(in_order),
          chunksize(chunk),
          window(most * chunk),
          header(task_terms, detail::ResultStyle::stream) {}

    /// Hands in more elements, as soon as there is a good deal of room for them, in one request.
    void pull() {
      if (exhausted || pulled - taken > window - window / 4) return;
      detail::Request request(stream ? *stream : *pool, stream ? detail::Op::extend : detail::Op::submit);
      request.raw(header);
      const std::size_t before = pulled;
      while (!exhausted && pulled - taken < window) pull_chunk(request);
      if (pulled == before) return;
      auto reply = request.send();
      if (!stream) stream = std::make_shared<detail::Reference>(pool->shared_store(), reply.in().template raw<detail::ObjectId>());
    }
    void pull_chunk(detail::Request& request) {
      std::vector<E> elements;
      try {
        for (; elements.size() < chunksize && position != last; ++position) elements.push_back(*position);
        exhausted = !(position != last);
      } catch (...) {  // It cannot be asked for more after that. What came before has its results first.
        failure = std::current_exception();
        exhausted = true;
      }
      if (elements.empty()) return;
      request.put_by([&](detail::Writer& out) {
        out.raw(detail::token_of_thunk<&detail::imap_thunk<detail::Spread::no, F, E>>());
        detail::encode_callable(out, f);
        out.raw(std::uint64_t{elements.size()});
        for (const E& element : elements) detail::encode_element<E>(out, element);
      });
      pulled += elements.size();
    }

    std::optional<value_type> next(detail::Deadline deadline) {
      pull();
      if (outcomes.empty() && pulled == taken) {
        index = pulled;
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
        return std::nullopt;
      }
      if (outcomes.empty()) fetch(deadline);
      Outcome outcome = std::move(outcomes.front());
      outcomes.pop_front();
      ++taken;
      index = outcome.index;
      pull();
      if (auto* error = std::get_if<std::exception_ptr>(&outcome.what)) std::rethrow_exception(*error);
      return std::move(*std::get_if<value_type>(&outcome.what));
    }
    /// The outcomes of the next chunk.
    void fetch(detail::Deadline deadline) {
      detail::Request request(*stream, detail::Op::pop, deadline);
      auto reply = request.raw(static_cast<std::uint8_t>(ordered)).send();
      if (!reply.done()) throw TimeoutError("No further result has come within the time-out. Ask again later.");
      const auto first = static_cast<std::size_t>(reply.in().template raw<std::uint64_t>()) * chunksize;
      if (reply.in().template raw<std::uint8_t>() == 0) {
        const auto how = reply.in().template raw<detail::Outcome>();
        const auto error = detail::exception_of(how, reply.in());
        for (std::size_t i = first; i < std::min(first + chunksize, pulled); ++i) outcomes.push_back({i, error});
        return;
      }
      reply.take_by([&](detail::Reader& in) {
        for (std::size_t i = first; !in.at_end(); ++i) {
          if (in.raw<std::uint8_t>() == 0)
            outcomes.push_back({i, detail::decode_exception(in)});
          else if constexpr (std::is_void_v<R>)
            outcomes.push_back({i, value_type{}});
          else
            outcomes.push_back({i, detail::decode_element<R>(in)});
        }
      });
    }

    std::shared_ptr<detail::Reference> pool;
    std::shared_ptr<detail::Reference> stream;  // From the first chunk on.
    F f;
    Input input;  // A reference for an lvalue.
    Iterator position;
    Sentinel last;
    bool ordered;
    std::size_t chunksize;
    std::size_t window;
    detail::TaskHeader header;
    std::size_t pulled = 0;
    std::size_t taken = 0;
    std::size_t index = 0;
    bool exhausted = false;
    std::exception_ptr failure;  // Of the input.
    std::deque<Outcome> outcomes;
    std::optional<value_type> current;
  };

  void advance() {
    state_->current.reset();
    state_->current = state_->next(detail::Deadline::never());
  }

  std::unique_ptr<State> state_;
};

}  // namespace ipc
