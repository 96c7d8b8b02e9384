#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <ipc/detail/encoded.hpp>
#include <ipc/detail/exception.hpp>
#include <ipc/detail/map_job.hpp>

namespace ipc::detail {

/// The job of imap and imap_unordered: tasks are chunks of elements, handed in as these are pulled from the input, and
/// outcomes wait here until the consumer takes them. Guarded by the pool's lock.
template <Spread S, class F, class E>
class ImapJob final : public Job {
  static constexpr bool encodes_user_code = runs_user_code_v<E> || ships_user_code_v<F>;
  static constexpr bool decodes_user_code = runs_user_code_v<MapResult<S, F, E>>;

 public:
  using R = Kept<MapResult<S, F, E>>;
  struct Outcome {
    std::size_t index;  ///< Of the element in the input.
    std::variant<R, std::exception_ptr> what;
  };

  ImapJob(F f, bool ordered, std::size_t chunksize)
      : Job(encodes_user_code || decodes_user_code), f_(std::move(f)), ordered_(ordered), chunksize_(chunksize) {}

  std::size_t chunksize() const noexcept { return chunksize_; }

  /// Elements on their way to the workers: whole chunks, but for the last of the input.
  struct Batch {
    std::vector<E> elements;
    std::vector<Encoded> encoded;   ///< The chunks, where encoding may run the user's code.
    std::exception_ptr error = {};  ///< The input itself failed behind the last element.
  };
  /// Without the pool's lock.
  void pack(Batch& batch) const {
    if constexpr (encodes_user_code) {
      for (std::size_t first = 0; first < batch.elements.size(); first += chunksize_) {
        const std::size_t count = std::min(chunksize_, batch.elements.size() - first);
        batch.encoded.emplace_back(
            [&](Writer& out) { encode_elements(batch.elements.begin() + static_cast<std::ptrdiff_t>(first), count, out); });
      }
    }
  }
  /// Adds what was packed, and returns its tasks, to be submitted.
  Tasks add(Batch& batch) {
    const std::size_t first = end();
    const Tasks tasks{first / chunksize_, (batch.elements.size() + chunksize_ - 1) / chunksize_};
    end_.store(first + batch.elements.size(), std::memory_order_relaxed);
    for (auto&& element : batch.elements) {
      if constexpr (encodes_user_code)
        items_.emplace_back();
      else
        items_.emplace_back(static_cast<E&&>(element));
    }
    for (Encoded& chunk : batch.encoded) encoded_.push_back(std::move(chunk));
    if (batch.error) {
      items_.emplace_back();
      settle(end(), batch.error);
      release();
    }
    return tasks;
  }

  /// Moves what is there to the end of `out`: in the order of the input, or of arrival. Returns whether there was anything.
  bool take(std::deque<Outcome>& out) {
    if (arrived_.empty()) return false;
    if (out.empty()) {
      out.swap(arrived_);
    } else {
      for (Outcome& outcome : arrived_) out.push_back(std::move(outcome));
      arrived_.clear();
    }
    return true;
  }

  void encode_tasks(Tasks tasks, Writer& out) override {
    const auto [first, count] = bounds(tasks);
    if constexpr (encodes_user_code)
      encoded_[static_cast<std::size_t>(tasks.first) - encoded_base_].write(out);
    else
      encode_elements(items_.begin() + static_cast<std::ptrdiff_t>(first - base_), count, out);
  }
  void deliver(Tasks tasks, Reader& in, Gate& gate) override {
    const auto [first, count] = bounds(tasks);
    if constexpr (encodes_user_code || decodes_user_code) {
      std::vector<What> outcomes;
      for (std::size_t i = 0; i < count; ++i) outcomes.push_back(decode_outcome(in));
      if (!gate.enter()) return;
      for (std::size_t i = 0; i < count; ++i) settle(first + i, std::move(outcomes[i]));
    } else {
      if (!gate.enter()) return;
      for (std::size_t i = 0; i < count; ++i) settle(first + i, decode_outcome(in));
    }
    let_go(tasks);
    release();
  }
  void fail(Tasks tasks, std::exception_ptr error) override {
    const auto [first, count] = bounds(tasks);
    fail_elements(first, count, error);
    let_go(tasks);
  }
  void fail_rest(std::exception_ptr error) override { fail_elements(base_, items_.size(), error); }

 private:
  using What = std::variant<R, std::exception_ptr>;
  /// One element, from when it was pulled to when its outcome, and those of all before it, were passed on.
  struct Item {
    Item() = default;
    explicit Item(E&& value) : element(std::move(value)) {}
    std::optional<E> element;
    bool done = false;
    std::optional<What> what;  // Until it is passed on; in any order that is at once.
  };
  struct Bounds {
    std::size_t first;
    std::size_t count;
  };

  std::size_t end() const noexcept { return end_.load(std::memory_order_relaxed); }
  /// At most as many as were pulled: the last chunk may be a short one.
  Bounds bounds(Tasks tasks) const {
    const std::size_t first = static_cast<std::size_t>(tasks.first) * chunksize_;
    return {first, std::min(chunksize_, end() - first)};
  }
  /// Those that are encoded beforehand are ours, and only once.
  template <class Position>
  void encode_elements(Position at, std::size_t count, Writer& out) const {
    out.raw(token_of_thunk<&imap_thunk<S, F, E>>());
    encode_callable(out, f_);
    out.raw(std::uint64_t{count});
    for (; count != 0; ++at, --count) {
      if constexpr (encodes_user_code)
        encode_element<E>(out, static_cast<E&&>(*at));
      else
        encode_element<E>(out, std::as_const(*at->element));
    }
  }
  static What decode_outcome(Reader& in) {
    if (in.raw<std::uint8_t>() != 1) return What(std::in_place_index<1>, decode_exception(in));
    if constexpr (std::is_void_v<MapResult<S, F, E>>)
      return What(std::in_place_index<0>);
    else
      return What(std::in_place_index<0>, decode_element<R>(in));
  }
  void settle(std::size_t position, What what) {
    Item& item = items_[position - base_];
    if (std::exchange(item.done, true)) return;
    item.element.reset();
    if (ordered_)
      item.what.emplace(std::move(what));
    else
      arrived_.push_back({position, std::move(what)});
  }
  void fail_elements(std::size_t first, std::size_t count, const std::exception_ptr& error) {
    for (std::size_t i = 0; i < count; ++i) settle(first + i, What(std::in_place_index<1>, error));
    release();
  }
  void let_go(Tasks tasks) {
    if constexpr (encodes_user_code) {
      encoded_[static_cast<std::size_t>(tasks.first) - encoded_base_].clear();
      for (; !encoded_.empty() && encoded_.front().empty(); ++encoded_base_) encoded_.pop_front();
    }
  }
  /// Passes on what is complete up to its front, and forgets it.
  void release() {
    while (!items_.empty() && items_.front().done) {
      if (ordered_) arrived_.push_back({base_, std::move(*items_.front().what)});
      items_.pop_front();
      ++base_;
    }
  }

  F f_;
  const bool ordered_;
  const std::size_t chunksize_;
  std::deque<Item> items_;  // From position `base_` on; behind the elements, perhaps, the input's own failure.
  std::size_t base_ = 0;
  // Elements that were added. Stored under the pool's lock, and read without it where outcomes are decoded. Relaxed: whoever has got
  // an outcome of a task has had the lock since that was added.
  std::atomic<std::size_t> end_{0};
  std::deque<Encoded> encoded_;  // From task `encoded_base_` on.
  std::size_t encoded_base_ = 0;
  std::deque<Outcome> arrived_;
};

}  // namespace ipc::detail
