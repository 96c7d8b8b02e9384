#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/codec.hpp>
#include <ipc/detail/encoded.hpp>
#include <ipc/detail/input_range.hpp>
#include <ipc/detail/pool_core.hpp>
#include <ipc/detail/result_job.hpp>
#include <ipc/detail/throw_probe.hpp>

namespace ipc::detail {

/// How a map calls its function: with an element, or (starmap) with the parts of one.
enum class Spread : bool { no, yes };

/// With the parts of a tuple, passed as arguments of a call are (invoke.hpp).
template <class F, class Parts, std::size_t... I>
decltype(auto) call_with_parts(F& f, [[maybe_unused]] Parts& parts, std::index_sequence<I...>) {
  constexpr unsigned forms = forms_for<F, std::tuple_element_t<I, Parts>...>();
  static_assert(forms != no_form, "ipc: the callable cannot be called with these elements");
  return std::invoke(f, PassedAs<std::tuple_element_t<I, Parts>, form_of(forms, I)>::get(std::get<I>(parts))...);
}
template <Spread S, class F, class E>
decltype(auto) call_with(F& f, E& element) {
  if constexpr (S == Spread::yes) {
    return call_with_parts(f, element, std::make_index_sequence<std::tuple_size_v<E>>());
  } else {
    constexpr unsigned form = forms_for<F, E>();
    static_assert(form != no_form, "ipc: the callable cannot be called with these elements");
    return std::invoke(f, PassedAs<E, form>::get(element));
  }
}

template <Spread S, class F, class E>
using MapResult = SentAs<decltype(call_with<S, F, E>(std::declval<F&>(), std::declval<E&>()))>;

/// What the function returned, as it is where it is an R already, maybe a reference.
template <class R, class Returned>
void encode_returned(Writer& out, Returned&& returned) {
  if constexpr (std::is_same_v<std::decay_t<Returned>, R> && std::is_lvalue_reference_v<Returned>)
    encode_element<R>(out, std::as_const(returned));
  else if constexpr (std::is_same_v<std::decay_t<Returned>, R>)
    encode_element<R>(out, std::forward<Returned>(returned));
  else
    encode_element<R>(out, R(std::forward<Returned>(returned)));
}

/// Calls the function, and writes what it returns.
template <Spread S, class R, class F, class E>
void return_element(Writer& out, F& f, E& element) {
  if constexpr (std::is_void_v<R>) {
    call_with<S>(f, element);
    out.end_if_forked();
  } else {
    auto&& returned = call_with<S>(f, element);
    out.end_if_forked();
    encode_returned<R>(out, std::forward<decltype(returned)>(returned));
  }
}

/// Whether a T and its encoding are the same bytes, so that many are encoded and decoded at once.
template <class T>
consteval bool travels_flat() {
  if constexpr (std::is_void_v<T>)
    return false;
  else
    return Codec<T>::flat;
}

/// In the worker: runs a chunk, [count][element]… to [result]…; what the function throws ends the chunk.
template <Spread S, class F, class E>
void map_thunk(Reader& in, Writer& out) {
  using R = MapResult<S, F, E>;
  F f = decode_callable<F>(in);
  const std::size_t count = in.count(least_element<E>);
  if constexpr (travels_flat<E>() && travels_flat<R>()) {
    // From one span to the other, without a look at either's end for each element.
    Reader elements({in.take(count * sizeof(E)), count * sizeof(E)});
    std::byte* results = out.extend(count * sizeof(R));
    for (std::size_t i = 0; i < count; ++i) {
      E element = elements.raw<E>();
      const R result(call_with<S>(f, element));
      out.end_if_forked();
      std::memcpy(results + i * sizeof(R), &result, sizeof(R));
    }
  } else {
    for (std::size_t left = count; left != 0; --left) {
      E element = decode_element<E>(in);
      return_element<S, R>(out, f, element);
    }
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
      return_element<S, R>(out, f, element);
    } catch (const ThrowProbe&) {
    } catch (...) {
      if (out.forked()) throw;
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
/// that waits. Its tasks are chunks of elements; where nobody said how large, single ones, which the scheduler puts
/// together. Results are collected; of several exceptions the first that arrives counts, and not before every task is done.
template <Spread S, class F, class E, class Input>
class MapJob final : public MapJobBase<MapResult<S, F, E>> {
  using Base = MapJobBase<MapResult<S, F, E>>;
  static constexpr bool encodes_user_code = runs_user_code_v<E> || ships_user_code_v<F>;
  // The input is ours, elements and all, and they can be sent in no other way; so each is encoded once.
  static constexpr bool moves_elements =
      encodes_user_code && moves_when_sent_v<E> &&
      (std::is_same_v<Input, std::vector<E>> || std::is_rvalue_reference_v<decltype(std::declval<Input&>()[0])>);

 public:
  using R = MapResult<S, F, E>;

  /// A `chunksize` of 0 is automatic; `even_chunk` is what to fall back on where elements cannot be put together later.
  MapJob(F f, Input input, const TaskTerms& wanted, std::size_t chunksize, std::size_t even_chunk)
      : Base(encodes_user_code || runs_user_code_v<R>),
        f_(std::move(f)),
        input_(std::move(input)),
        size_(input_.size()),
        chunksize_(std::min(chunksize, std::max<std::size_t>(size_, 1))) {
    this->terms = wanted;
    const bool automatic = chunksize == 0;
    if (automatic) chunksize_ = moves_elements ? std::max<std::size_t>(even_chunk, 1) : 1;
    if constexpr (encodes_user_code) {
      callable_ = Encoded([&](Writer& out) { encode_callable(out, f_); });
      // A message has one descriptor for all the handles in it, so elements that go separately would each need their own.
      if (!moves_elements && automatic && tasks() > 1) {
        elements_.push_back([&](Writer& out) { encode_elements(bounds({0, 1}), out); });
        if (elements_.has_fds()) {
          elements_ = EncodedList();
          chunksize_ = even_chunk;
        }
      }
      for (std::uint64_t i = elements_.size(); i < tasks(); ++i)
        elements_.push_back([&](Writer& out) { encode_elements(bounds({i, 1}), out); });
      let_go_of_input();
    }
    if (automatic && chunksize_ == 1 && !wanted.timed()) this->terms.most_together = most_together;
    if constexpr (!std::is_void_v<R>) results_.resize(size_);
    if (size_ == 0) conclude();
  }

  std::uint64_t tasks() const noexcept { return (size_ + chunksize_ - 1) / chunksize_; }
  /// Elements with an outcome. Under the pool's lock.
  std::size_t done() const noexcept { return done_; }

  void encode_tasks(Tasks tasks, Writer& out) override {
    const auto [first, last] = bounds(tasks);
    out.raw(token_of_thunk<&map_thunk<S, F, E>>());
    if constexpr (encodes_user_code)
      callable_.write(out);
    else
      encode_callable(out, f_);
    out.raw(static_cast<std::uint64_t>(last - first));
    if constexpr (encodes_user_code)
      elements_.write(static_cast<std::size_t>(tasks.first), static_cast<std::size_t>(tasks.first + tasks.count), out);
    else
      encode_elements({first, last}, out);
  }
  void deliver(Tasks tasks, Reader& in, Gate& gate) override {
    if constexpr (!std::is_void_v<R>) {
      const auto [first, last] = bounds(tasks);
      if constexpr (direct && travels_flat<R>()) {
        in.bytes(results_.data() + first, (last - first) * sizeof(R));
      } else {
        for (std::size_t i = first; i < last; ++i) {
          if constexpr (direct)
            results_[i] = decode_element<R>(in);
          else
            results_[i].emplace(decode_element<R>(in));
        }
      }
    }
    if (gate.enter()) finish(tasks);
  }
  void fail(Tasks tasks, std::exception_ptr error) override {
    if (!this->error_) this->error_ = std::move(error);
    finish(tasks);
  }
  void fail_rest(std::exception_ptr error) override {
    this->error_ = std::move(error);
    done_ = size_;
    let_go();
  }

 private:
  // Where it can be, results are decoded to where they stay.
  static constexpr bool direct = std::is_default_constructible_v<Kept<R>> && std::is_move_assignable_v<Kept<R>> && !std::is_same_v<R, bool>;
  using Slot = std::conditional_t<direct, Kept<R>, std::optional<Kept<R>>>;
  // Messages of more than a part of a ring would not travel any better.
  static constexpr std::uint64_t most_together =
      std::max<std::uint64_t>(1, (std::uint64_t{64} << 10) / std::max(sizeof(E), sizeof(Kept<R>)));

  struct Bounds {
    std::size_t first;
    std::size_t last;
  };
  Bounds bounds(Tasks tasks) const {
    const std::size_t first = static_cast<std::size_t>(tasks.first) * chunksize_;
    return {first, std::min(first + static_cast<std::size_t>(tasks.count) * chunksize_, size_)};
  }
  void encode_elements(Bounds at, Writer& out) {
    if constexpr (moves_elements) {
      for (std::size_t i = at.first; i < at.last; ++i) encode_element<E>(out, std::move(input_[i]));
    } else if constexpr (travels_flat<E>() && requires { input_.data(); }) {
      out.bytes(input_.data() + at.first, (at.last - at.first) * sizeof(E));
    } else {
      for (std::size_t i = at.first; i < at.last; ++i) encode_element<E>(out, static_cast<const E&>(input_[i]));
    }
  }
  void finish(Tasks tasks) {
    const auto [first, last] = bounds(tasks);
    done_ += last - first;
    if (done_ != size_) return;
    if (!this->error_) conclude();
    let_go();
  }
  void let_go() {
    if constexpr (encodes_user_code) {
      callable_.clear();
      elements_ = EncodedList();
    } else {
      let_go_of_input();
    }
  }
  void let_go_of_input() {
    if constexpr (std::is_same_v<Input, std::vector<E>>) input_ = Input();
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
  const std::size_t size_;
  std::size_t chunksize_;
  std::size_t done_ = 0;
  std::vector<Slot> results_;
  // Where encoding may run the user's code, it was done beforehand: the callable, and each task's elements.
  Encoded callable_;
  EncodedList elements_;
};

}  // namespace ipc::detail
