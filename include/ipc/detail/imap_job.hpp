#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ipc/detail/exception.hpp>
#include <ipc/detail/map_job.hpp>

namespace ipc::detail {

/// The job of imap and imap_unordered: a task is a chunk of elements, handed in as they are pulled from the input, and
/// outcomes wait here until the consumer takes them. Guarded by the pool's lock.
template <Spread S, class F, class E>
class ImapJob final : public Job {
 public:
  using R = Kept<MapResult<S, F, E>>;
  struct Outcome {
    std::size_t index;  ///< Of the element in the input.
    std::variant<R, std::exception_ptr> what;
  };

  ImapJob(F f, bool ordered) : f_(std::move(f)), ordered_(ordered) {}

  /// Adds a chunk; returns its number, to be submitted. `first` is the position of its first element.
  std::uint64_t add(std::size_t first, std::vector<E> elements) {
    chunks_.push_back({first, std::move(elements), {}, false});
    return base_ + chunks_.size() - 1;
  }
  /// The input itself failed at this position.
  void add_failure(std::size_t position, std::exception_ptr error) {
    chunks_.push_back({position, {}, {}, true});
    chunks_.back().outcomes.push_back({position, std::move(error)});
    if (!ordered_) release(chunks_.back());
  }

  /// The next outcome, if one is there: in the order of the input, or of arrival.
  bool take(std::optional<Outcome>& out) {
    if (ordered_) {
      while (!chunks_.empty() && chunks_.front().done && chunks_.front().outcomes.empty()) forget_front();
      if (chunks_.empty() || !chunks_.front().done) return false;
      auto& outcomes = chunks_.front().outcomes;
      out.emplace(std::move(outcomes.front()));
      outcomes.pop_front();
      return true;
    }
    if (arrived_.empty()) return false;
    out.emplace(std::move(arrived_.front()));
    arrived_.pop_front();
    return true;
  }

  void encode_task(std::uint64_t index, Writer& out) override {
    const Chunk& chunk = at(index);
    out.raw(token_of_thunk<&imap_thunk<S, F, E>>());
    encode_callable(out, f_);
    out.raw(static_cast<std::uint64_t>(chunk.elements.size()));
    for (const E& element : chunk.elements) encode_element<E>(out, element);
  }
  void deliver(std::uint64_t index, Reader& in) override {
    Chunk& chunk = at(index);
    std::deque<Outcome> outcomes;
    for (std::size_t i = 0; i < chunk.elements.size(); ++i) {
      if (in.raw<std::uint8_t>() == 1)
        outcomes.push_back({chunk.first + i, decode_result(in)});
      else
        outcomes.push_back({chunk.first + i, decode_exception(in)});
    }
    finish(chunk, std::move(outcomes));
  }
  void fail(std::uint64_t index, std::exception_ptr error) override { fail_chunk(at(index), error); }
  void fail_rest(std::exception_ptr error) override {
    // By position: in the unordered case `finish` may forget chunks at the front.
    for (auto number = base_; number < base_ + chunks_.size(); ++number) {
      if (number >= base_ && !at(number).done) fail_chunk(at(number), error);
    }
  }

 private:
  struct Chunk {
    std::size_t first;
    std::vector<E> elements;
    std::deque<Outcome> outcomes;
    bool done;
  };

  Chunk& at(std::uint64_t number) { return chunks_[static_cast<std::size_t>(number - base_)]; }
  static R decode_result(Reader& in) {
    if constexpr (std::is_void_v<MapResult<S, F, E>>)
      return {};
    else
      return decode<R>(in);
  }
  void fail_chunk(Chunk& chunk, const std::exception_ptr& error) {
    std::deque<Outcome> outcomes;
    for (std::size_t i = 0; i < chunk.elements.size(); ++i) outcomes.push_back({chunk.first + i, error});
    finish(chunk, std::move(outcomes));
  }
  void finish(Chunk& chunk, std::deque<Outcome> outcomes) {
    chunk.outcomes = std::move(outcomes);
    chunk.elements = {};
    chunk.done = true;
    if (!ordered_) release(chunk);
  }
  void release(Chunk& chunk) {
    for (Outcome& outcome : chunk.outcomes) arrived_.push_back(std::move(outcome));
    chunk.outcomes.clear();
    while (!chunks_.empty() && chunks_.front().done && chunks_.front().outcomes.empty()) forget_front();
  }
  void forget_front() {
    chunks_.pop_front();
    ++base_;
  }

  F f_;
  bool ordered_;
  std::deque<Chunk> chunks_;  // From number `base_` on.
  std::uint64_t base_ = 0;
  std::deque<Outcome> arrived_;
};

}  // namespace ipc::detail
