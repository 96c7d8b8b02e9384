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
  static constexpr bool encodes_user_code = runs_user_code_v<E> || ships_user_code_v<F>;

 public:
  using R = Kept<MapResult<S, F, E>>;
  struct Outcome {
    std::size_t index;  ///< Of the element in the input.
    std::variant<R, std::exception_ptr> what;
  };

  ImapJob(F f, bool ordered) : Job(encodes_user_code || runs_user_code_v<MapResult<S, F, E>>), f_(std::move(f)), ordered_(ordered) {}

  /// A chunk on its way to the workers.
  struct Batch {
    std::size_t size;
    std::vector<E> elements;  // Or else…
    Encoded encoded;          // …where encoding may run the user's code.
  };
  /// Without the pool's lock.
  Batch pack(std::vector<E> elements) const {
    const std::size_t size = elements.size();
    if constexpr (encodes_user_code)
      return {size, {}, Encoded([&](Writer& out) { encode_elements(elements, out); })};
    else
      return {size, std::move(elements), {}};
  }
  /// Adds a chunk; returns its number, to be submitted. `first` is the position of its first element.
  std::uint64_t add(std::size_t first, Batch batch) {
    chunks_.push_back({first, std::move(batch), {}, false});
    return base_ + chunks_.size() - 1;
  }
  /// The input itself failed at this position.
  void add_failure(std::size_t position, std::exception_ptr error) {
    chunks_.push_back({position, {0, {}, {}}, {}, true});
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
    const Batch& batch = at(index).batch;
    if constexpr (encodes_user_code)
      batch.encoded.write(out);
    else
      encode_elements(batch.elements, out);
  }
  void deliver(std::uint64_t index, Reader& in, Gate& gate) override {
    std::deque<Outcome> outcomes;
    while (!in.at_end()) {
      if (in.raw<std::uint8_t>() == 1)
        outcomes.push_back({0, decode_result(in)});
      else
        outcomes.push_back({0, decode_exception(in)});
    }
    if (!gate.enter()) return;
    Chunk& chunk = at(index);
    if (outcomes.size() != chunk.batch.size) throw EncodingError("A worker sent another number of results than it had elements.");
    for (std::size_t i = 0; i < outcomes.size(); ++i) outcomes[i].index = chunk.first + i;
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
    Batch batch;
    std::deque<Outcome> outcomes;
    bool done;
  };

  Chunk& at(std::uint64_t number) { return chunks_[static_cast<std::size_t>(number - base_)]; }
  void encode_elements(const std::vector<E>& elements, Writer& out) const {
    out.raw(token_of_thunk<&imap_thunk<S, F, E>>());
    encode_callable(out, f_);
    out.raw(static_cast<std::uint64_t>(elements.size()));
    for (const E& element : elements) encode_element<E>(out, element);
  }
  static R decode_result(Reader& in) {
    if constexpr (std::is_void_v<MapResult<S, F, E>>)
      return {};
    else
      return decode<R>(in);
  }
  void fail_chunk(Chunk& chunk, const std::exception_ptr& error) {
    std::deque<Outcome> outcomes;
    for (std::size_t i = 0; i < chunk.batch.size; ++i) outcomes.push_back({chunk.first + i, error});
    finish(chunk, std::move(outcomes));
  }
  void finish(Chunk& chunk, std::deque<Outcome> outcomes) {
    chunk.outcomes = std::move(outcomes);
    chunk.batch = {chunk.batch.size, {}, {}};
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
