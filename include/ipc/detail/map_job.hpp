#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/detail/encoded.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/result_job.hpp>

namespace ipc::detail {

/// How a map calls its function: with an element, or (starmap) with the parts of one.
enum class Spread : bool { no, yes };

template <Spread S, class F, class E>
decltype(auto) call_with(F& f, E&& element) {
  if constexpr (S == Spread::yes)
    return std::apply(f, std::forward<E>(element));
  else
    return std::invoke(f, std::forward<E>(element));
}

template <Spread S, class F, class E>
using MapResult = std::decay_t<decltype(call_with<S>(std::declval<F&>(), std::declval<E>()))>;

/// In the worker: runs a chunk, [count][element]… to [result]…; what the function throws ends the chunk.
template <Spread S, class F, class E>
void map_thunk(Reader& in, Writer& out) {
  using R = MapResult<S, F, E>;
  F f = decode_callable<F>(in);
  for (std::size_t left = in.count(least_element<E>); left != 0; --left) {
    if constexpr (std::is_void_v<R>)
      call_with<S>(f, decode_element<E>(in));
    else
      encode_element<R>(out, R(call_with<S>(f, decode_element<E>(in))));
  }
}

/// As `map_thunk`, but each result is preceded by whether there is one; otherwise it is an exception.
template <Spread S, class F, class E>
void imap_thunk(Reader& in, Writer& out) {
  using R = MapResult<S, F, E>;
  F f = decode_callable<F>(in);
  for (std::size_t left = in.count(least_element<E>); left != 0; --left) {
    E element = decode_element<E>(in);
    const std::size_t size = out.size();
    const std::size_t fds = out.fds().size();
    try {
      out.raw(std::uint8_t{1});
      if constexpr (std::is_void_v<R>)
        call_with<S>(f, std::move(element));
      else
        encode(out, R(call_with<S>(f, std::move(element))));
    } catch (...) {
      out.truncate(size, fds);
      out.raw(std::uint8_t{0});
      write_current_exception(out);
    }
  }
}

template <auto function>
Token token_of_thunk() {
  static const Token token = token_of(reinterpret_cast<const void*>(function));
  return token;
}

template <class R>
using MapJobBase = ResultJob<std::conditional_t<std::is_void_v<R>, void, std::vector<Kept<R>>>>;

/// The job of map and starmap. `Input` gives elements by index: a vector of its own, or a view of the caller's range while
/// that waits. Results of all chunks are collected; of several exceptions the first that arrives counts, and not before
/// every chunk is done.
template <Spread S, class F, class E, class Input>
class MapJob final : public MapJobBase<MapResult<S, F, E>> {
  using Base = MapJobBase<MapResult<S, F, E>>;
  static constexpr bool encodes_user_code = runs_user_code_v<E> || ships_user_code_v<F>;

 public:
  using R = MapResult<S, F, E>;

  MapJob(F f, Input input, std::size_t chunksize)
      : Base(encodes_user_code || runs_user_code_v<R>),
        f_(std::move(f)),
        input_(std::move(input)),
        chunksize_(chunksize),
        chunks_left_((input_.size() + chunksize - 1) / chunksize) {
    if constexpr (encodes_user_code) {
      encoded_.reserve(static_cast<std::size_t>(chunks()));
      for (std::uint64_t i = 0; i < chunks(); ++i) encoded_.emplace_back([&](Writer& out) { encode_chunk(i, out); });
    }
    if constexpr (!std::is_void_v<R>) results_.resize(input_.size());
    if (chunks_left_ == 0) conclude();
  }

  std::uint64_t chunks() const noexcept { return (input_.size() + chunksize_ - 1) / chunksize_; }
  /// Elements with an outcome. Under the pool's lock.
  std::size_t done() const noexcept { return std::min(input_.size(), (static_cast<std::size_t>(chunks()) - chunks_left_) * chunksize_); }

  void encode_task(std::uint64_t index, Writer& out) override {
    if constexpr (encodes_user_code)
      encoded_[static_cast<std::size_t>(index)].write(out);
    else
      encode_chunk(index, out);
  }
  void deliver(std::uint64_t index, Reader& in, Gate& gate) override {
    if constexpr (!std::is_void_v<R>) {
      const auto [first, last] = bounds(index);
      for (std::size_t i = first; i < last; ++i) results_[i] = decode_element<R>(in);
    }
    if (!gate.enter()) return;
    if constexpr (encodes_user_code) encoded_[static_cast<std::size_t>(index)].clear();
    chunk_done();
  }
  void fail(std::uint64_t, std::exception_ptr error) override {
    if (!this->error_) this->error_ = std::move(error);
    chunk_done();
  }
  void fail_rest(std::exception_ptr error) override {
    this->error_ = std::move(error);
    chunks_left_ = 0;
  }

 private:
  // Where it can be, results are decoded to where they stay.
  static constexpr bool direct = std::is_default_constructible_v<Kept<R>> && !std::is_same_v<R, bool>;
  using Slot = std::conditional_t<direct, Kept<R>, std::optional<Kept<R>>>;

  std::pair<std::size_t, std::size_t> bounds(std::uint64_t index) const {
    const std::size_t first = static_cast<std::size_t>(index) * chunksize_;
    return {first, std::min(first + chunksize_, static_cast<std::size_t>(input_.size()))};
  }
  void encode_chunk(std::uint64_t index, Writer& out) const {
    const auto [first, last] = bounds(index);
    out.raw(token_of_thunk<&map_thunk<S, F, E>>());
    encode_callable(out, f_);
    out.raw(static_cast<std::uint64_t>(last - first));
    for (std::size_t i = first; i < last; ++i) encode_element<E>(out, static_cast<const E&>(input_[i]));
  }
  void chunk_done() {
    if (--chunks_left_ == 0 && !this->error_) conclude();
  }
  void conclude() {
    if constexpr (std::is_void_v<R>) {
      this->value_.emplace();
    } else if constexpr (direct) {
      this->value_.emplace(std::move(results_));
    } else {
      this->value_.emplace();
      this->value_->reserve(results_.size());
      for (auto& slot : results_) this->value_->push_back(std::move(*slot));
    }
  }

  F f_;
  Input input_;
  std::size_t chunksize_;
  std::size_t chunks_left_;
  std::vector<Slot> results_;
  std::vector<Encoded> encoded_;  // Where encoding may run the user's code.
};

/// The elements of somebody else's range, which outlives the view.
template <class Iterator>
class IndexedView {
 public:
  IndexedView(Iterator first, Iterator last) : first_(first), size_(static_cast<std::size_t>(last - first)) {}
  std::size_t size() const noexcept { return size_; }
  decltype(auto) operator[](std::size_t i) const { return first_[static_cast<std::iter_difference_t<Iterator>>(i)]; }

 private:
  Iterator first_;
  std::size_t size_;
};

template <class Range>
using RangeElement =
    std::remove_cvref_t<typename std::iterator_traits<std::decay_t<decltype(std::begin(std::declval<Range&>()))>>::value_type>;

template <class Range>
inline constexpr bool is_indexable_v =
    std::is_base_of_v<std::random_access_iterator_tag,
                      typename std::iterator_traits<std::decay_t<decltype(std::begin(std::declval<Range&>()))>>::iterator_category>&&
        std::is_lvalue_reference_v<decltype(*std::begin(std::declval<Range&>()))>;

}  // namespace ipc::detail
