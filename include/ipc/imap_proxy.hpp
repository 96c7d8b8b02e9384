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
#include <ipc/detail/exception.hpp>
#include <ipc/detail/map_job.hpp>
#include <ipc/detail/pool_request.hpp>
#include <ipc/detail/progress_bar.hpp>
#include <ipc/detail/reference.hpp>
#include <ipc/detail/result_iterator.hpp>
#include <ipc/error.hpp>

namespace ipc {

/// What `PoolProxy::imap` and `imap_unordered` return: as `ImapResults`. What the pool has not begun when this ends never
/// will be. Elements that cannot be encoded throw in their place, with the others of their chunk. Move-only; one thread at a
/// time.
template <class F, class E, class Input>
class ImapResultsProxy {
  using R = detail::MapResult<detail::Spread::no, F, E>;
  using Iterator = decltype(std::begin(std::declval<Input&>()));
  using Sentinel = decltype(std::end(std::declval<Input&>()));

 public:
  using value_type = detail::Kept<R>;

  /// At most `window` chunks are under way.
  ImapResultsProxy(std::shared_ptr<detail::Reference> pool, F f, Input input, bool ordered, std::size_t chunksize, std::size_t window,
                   const detail::TaskTerms& terms, const std::string& progress, std::size_t total)
      : state_(std::make_unique<State>(std::move(pool), std::move(f), static_cast<Input&&>(input), ordered, chunksize, window, terms)) {
    if (!progress.empty()) state_->bar.emplace(progress, total);
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
  using What = std::variant<value_type, std::exception_ptr>;
  struct Outcome {
    std::size_t index;
    What what;
  };
  /// Elements that travel together, from when they were pulled until they have their outcomes.
  struct Chunk {
    std::size_t first;  ///< The position in the input.
    std::size_t count;
    std::uint64_t task = 0;         ///< Of the stream.
    std::exception_ptr error = {};  ///< It was not handed in: why.
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
      std::deque<Chunk> chunks;
      while (!exhausted && pulled - taken < window) pull_chunk(request, chunks);
      try {
        send(request, chunks);
      } catch (...) {
        if (before == 0) throw;
        // The pool was closed meanwhile: what was handed in before still has its results, these elements have the error.
        exhausted = true;
        for (Chunk& chunk : chunks) {
          if (!chunk.error) chunk.error = std::current_exception();
        }
      }
      for (Chunk& chunk : chunks) under_way.push_back(std::move(chunk));
      settle();
    }
    void pull_chunk(detail::Request& request, std::deque<Chunk>& chunks) {
      std::vector<E> elements;
      try {
        for (; elements.size() < chunksize && position != last; ++position) elements.push_back(*position);
        exhausted = !(position != last);
      } catch (...) {  // It cannot be asked for more after that. What came before has its results first.
        failure = std::current_exception();
        exhausted = true;
      }
      if (elements.empty()) return;
      Chunk& chunk = chunks.emplace_back(Chunk{.first = pulled, .count = elements.size()});
      pulled += elements.size();
      const std::size_t size = request.writer().size();
      const std::size_t fds = request.writer().fds().size();
      try {
        request.put_by([&](detail::Writer& out) {
          out.raw(detail::token_of_thunk<&detail::imap_thunk<detail::Spread::no, F, E>>());
          detail::encode_callable(out, f);
          out.raw(std::uint64_t{elements.size()});
          for (const E& element : elements) detail::encode_element<E>(out, element);
        });
      } catch (...) {
        request.writer().truncate(size, fds);
        chunk.error = std::current_exception();
      }
    }
    /// What could be encoded, if anything could.
    void send(detail::Request& request, std::deque<Chunk>& chunks) {
      std::uint64_t task = tasks;
      for (Chunk& chunk : chunks) {
        if (!chunk.error) chunk.task = task++;
      }
      if (task == tasks) return;
      auto reply = request.send();
      if (!stream) stream = std::make_shared<detail::Reference>(pool->shared_store(), reply.in().template raw<detail::ObjectId>());
      tasks = task;
    }
    /// Gives the elements of chunks that were not handed in their outcomes, as soon as it is their turn.
    void settle() {
      for (auto chunk = under_way.begin(); chunk != under_way.end();) {
        if (chunk->error) {
          refuse(*chunk, chunk->error);
          chunk = under_way.erase(chunk);
        } else if (ordered) {
          return;
        } else {
          ++chunk;
        }
      }
    }

    void refuse(const Chunk& chunk, const std::exception_ptr& error) {
      for (std::size_t i = 0; i < chunk.count; ++i) outcomes.push_back({chunk.first + i, error});
    }

    std::optional<value_type> next(detail::Deadline deadline) {
      pull();
      if (outcomes.empty() && under_way.empty()) {
        index = pulled;
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
        if (bar) bar->finish(taken);
        return std::nullopt;
      }
      if (outcomes.empty()) fetch(deadline);
      Outcome outcome = std::move(outcomes.front());
      outcomes.pop_front();
      ++taken;
      index = outcome.index;
      if (bar) bar->update(taken);
      if (auto* error = std::get_if<std::exception_ptr>(&outcome.what)) std::rethrow_exception(*error);
      return std::move(*std::get_if<value_type>(&outcome.what));
    }
    /// The outcomes of the next chunk.
    void fetch(detail::Deadline deadline) {
      detail::Request request(*stream, detail::Op::pop, deadline);
      auto reply = request.raw(static_cast<std::uint8_t>(ordered)).send();
      if (!reply.done()) throw TimeoutError("No further result has come within the time-out. Ask again later.");
      const auto task = reply.in().template raw<std::uint64_t>();
      const auto place = std::ranges::find_if(under_way, [&](const Chunk& each) { return !each.error && each.task == task; });
      if (place == under_way.end()) throw EncodingError("A manager answered with a result that this imap has not asked for.");
      const Chunk chunk = std::move(*place);
      under_way.erase(place);
      try {
        auto fetched = outcomes_of(chunk, reply);
        for (std::size_t i = 0; i < chunk.count; ++i) outcomes.push_back({chunk.first + i, std::move(fetched[i])});
      } catch (...) {  // The chunk's own, or of results that cannot be decoded.
        refuse(chunk, std::current_exception());
      }
      settle();
    }
    static std::vector<What> outcomes_of(const Chunk& chunk, detail::Reply& reply) {
      if (reply.in().template raw<std::uint8_t>() == 0) {
        const auto how = reply.in().template raw<detail::Outcome>();
        std::rethrow_exception(detail::exception_of(how, reply.in()));
      }
      return reply.take_by([&](detail::Reader& in) {
        std::vector<What> all;
        all.reserve(chunk.count);
        while (all.size() < chunk.count) {
          if (in.raw<std::uint8_t>() == 0)
            all.emplace_back(std::in_place_index<1>, detail::decode_exception(in));
          else if constexpr (std::is_void_v<R>)
            all.emplace_back(std::in_place_index<0>);
          else
            all.emplace_back(std::in_place_index<0>, detail::decode_element<R>(in));
        }
        if (!in.at_end()) detail::fail_left_over(in.remaining());
        return all;
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
    std::uint64_t tasks = 0;  // That were handed in.
    std::size_t pulled = 0;
    std::size_t taken = 0;
    std::size_t index = 0;
    bool exhausted = false;
    std::exception_ptr failure;   // Of the input.
    std::deque<Chunk> under_way;  // In the order of the input.
    std::deque<Outcome> outcomes;
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
