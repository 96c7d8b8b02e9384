#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <ipc/detail/callable.hpp>
#include <ipc/detail/message.hpp>
#include <ipc/error.hpp>

namespace ipc::detail {

/// What a `Process` runs, its types forgotten.
class ProcessTarget {
 public:
  ProcessTarget() = default;
  ProcessTarget(const ProcessTarget&) = delete;
  ProcessTarget& operator=(const ProcessTarget&) = delete;
  virtual ~ProcessTarget() = default;

  /// Calls it here, and returns the exit status. At most once: arguments are moved into the call.
  virtual int run() = 0;
  /// Writes what a process that is no copy of this one needs, and returns the token of an `int(Message&)` which runs that.
  /// Throws `NotShippable`. Arguments that can only be moved are moved out: after any other exception the next call has to be
  /// given the same writer, which has those already, and goes on where this one ended.
  virtual Token ship(Writer& writer) = 0;
};

/// A target is called once: as an lvalue or, where only that compiles, as an rvalue.
template <class F, class... Args>
using TargetAs = std::conditional_t<forms_for<F, Args...>() != no_form, F, F&&>;

template <class F, class... Args>
concept TargetFor = forms_for<TargetAs<F, Args...>, Args...>()
!= no_form;

/// The exit status: what a target that returns `int` gives, 0 for all others.
template <class F, class... Args>
int exit_status_of(F& f, std::tuple<Args...>& args) {
  using Invoke = Call<TargetAs<F, Args...>, Args...>;
  if constexpr (std::is_same_v<std::remove_cvref_t<std::invoke_result_t<Invoke, F&, std::tuple<Args...>&>>, int>) {
    return Invoke()(f, args) & 0xff;
  } else {
    static_cast<void>(Invoke()(f, args));
    return 0;
  }
}

/// What runs in a process that was not forked, `Args` as they arrive.
template <class F, class... Args>
int shipped_main(Message& message) {
  Reader reader(message);
  F f = decode_callable<F>(reader);
  std::tuple<Args...> args{decode<Args>(reader)...};  // Braces: from left to right.
  return exit_status_of(f, args);
}

template <class T>
void require_sendable() {
  if constexpr (!Sendable<T>) {
    throw NotShippable(
        "An argument of type " + type_name<T>() +
        " cannot be passed to a process that is not forked: it is or holds a pointer or view into this process's memory or an "
        "owned array, or has no serialize function. Pass a value or a shared handle, or use StartMethod::fork.");
  }
}

/// Holds decayed copies of the callable and its arguments, as `std::thread` does.
template <class F, class... Args>
class ProcessTargetOf final : public ProcessTarget {
 public:
  template <class G, class... Given>
  explicit ProcessTargetOf(G&& f, Given&&... args) : f_(std::forward<G>(f)), args_(std::forward<Given>(args)...) {}

  int run() override { return exit_status_of(f_, args_); }

  Token ship([[maybe_unused]] Writer& writer) override {
    if constexpr (!ShippableCallable<F>) {
      throw NotShippable(why_not_shippable<F>());
    } else if constexpr (!(Sendable<Args> && ...)) {
      (require_sendable<Args>(), ...);
      return {};
    } else if constexpr (!TargetFor<F, SentAs<Args>...>) {
      throw NotShippable("The target " + type_name<F>() + " cannot be called with its arguments as they arrive in another process.");
    } else {
      unsigned index = 0;
      put(writer, index++, [&] { encode_callable(writer, std::move(f_)); });
      std::apply([&](Args&... args) { (put(writer, index++, [&] { encode(writer, std::move(args)); }), ...); }, args_);
      return token_of(reinterpret_cast<const void*>(&shipped_main<F, SentAs<Args>...>));
    }
  }

 private:
  /// Wholly or, when it throws, not at all; unless it was before.
  template <class Encode>
  void put(Writer& writer, unsigned index, Encode encode) {
    if (index < shipped_) return;
    const std::size_t size = writer.size();
    const std::size_t fd_count = writer.fds().size();
    try {
      encode();
    } catch (...) {
      writer.truncate(size, fd_count);
      throw;
    }
    shipped_ = index + 1;
  }

  F f_;
  std::tuple<Args...> args_;
  unsigned shipped_ = 0;  // Of the callable and the arguments.
};

}  // namespace ipc::detail
