#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <ipc/detail/type_name.hpp>

/// How a callable that was written for a direct call is called with arguments that arrived in a message. They are
/// objects of their decayed types, alive for the time of the call, and passed in the first way that the callable takes:
/// as rvalues; as lvalues, for parameters `T&`; text as `const char*`. Unless they are many, each may go its own way.

namespace ipc::detail {

enum Form : unsigned { as_rvalue, as_lvalue, as_characters, form_count };

template <class T, unsigned form>
struct PassedAs;
template <class T>
struct PassedAs<T, as_rvalue> {
  using type = T&&;
  static T&& get(T& value) noexcept { return std::move(value); }
};
template <class T>
struct PassedAs<T, as_lvalue> {
  using type = T&;
  static T& get(T& value) noexcept { return value; }
};
template <class T>
struct PassedAs<T, as_characters> {
  using type = T&;  // Text only; for other types the same as before.
  static T& get(T& value) noexcept { return value; }
};
template <class C, class R, class A>
struct PassedAs<std::basic_string<C, R, A>, as_characters> {
  using type = const C*;
  static const C* get(std::basic_string<C, R, A>& value) noexcept { return value.c_str(); }
};

constexpr unsigned power(unsigned base, std::size_t exponent) noexcept { return exponent == 0 ? 1 : base * power(base, exponent - 1); }

/// The forms of all arguments, as digits in base `form_count`, the first argument's lowest.
constexpr unsigned form_of(unsigned forms, std::size_t index) noexcept { return forms / power(form_count, index) % form_count; }
constexpr unsigned same_form(unsigned form, std::size_t count) noexcept {
  return count == 0 ? 0 : form + form_count * same_form(form, count - 1);
}

inline constexpr unsigned no_form = ~0u;

/// In how many ways a T can be passed: text has one of its own.
template <class T>
inline constexpr unsigned forms_of = 2;
template <class C, class R, class A>
inline constexpr unsigned forms_of<std::basic_string<C, R, A>> = 3;

/// Seven arguments, or four that are text and one that is not; each mixture that is tried costs the compiler time.
inline constexpr std::uint64_t most_mixtures = 200;
template <class... Args>
constexpr std::uint64_t mixtures() noexcept {
  std::uint64_t count = 1;
  ((count = count > most_mixtures ? count : count * forms_of<Args>), ...);
  return count;
}

/// Counts up: the forms that follow, which differ from all before.
template <class... Args>
constexpr unsigned next_mixture(unsigned forms) noexcept {
  unsigned place = 1;
  for (const unsigned count : {forms_of<Args>...}) {
    const unsigned form = forms / place % form_count;
    if (form + 1 < count) return forms + place;
    forms -= form * place;
    place *= form_count;
  }
  return no_form;
}

/// A callable is called as an lvalue, unless `F` is an rvalue reference.
template <class F>
using CalledAs = std::conditional_t<std::is_rvalue_reference_v<F>, F, F&>;

template <class F, unsigned forms, class... Args, std::size_t... I>
consteval bool takes(std::index_sequence<I...>) {
  return std::is_invocable_v<CalledAs<F>, typename PassedAs<Args, form_of(forms, I)>::type...>;
}

template <class F, unsigned forms, class... Args>
consteval unsigned first_mixture() {
  if constexpr (forms == no_form) {
    return no_form;
  } else if constexpr (takes<F, forms, Args...>(std::index_sequence_for<Args...>())) {
    return forms;
  } else {
    return first_mixture<F, next_mixture<Args...>(forms), Args...>();
  }
}

template <class F, class... Args>
consteval unsigned forms_for() {
  constexpr auto indices = std::index_sequence_for<Args...>();
  if constexpr (takes<F, same_form(as_rvalue, sizeof...(Args)), Args...>(indices)) {
    return same_form(as_rvalue, sizeof...(Args));
  } else if constexpr (takes<F, same_form(as_lvalue, sizeof...(Args)), Args...>(indices)) {
    return same_form(as_lvalue, sizeof...(Args));
  } else if constexpr (takes<F, same_form(as_characters, sizeof...(Args)), Args...>(indices)) {
    return same_form(as_characters, sizeof...(Args));
  } else if constexpr (sizeof...(Args) > 1 && mixtures<Args...>() <= most_mixtures) {
    return first_mixture<F, 0, Args...>();
  } else {
    return no_form;
  }
}

/// Whether a call with arguments that arrive as `Args...` compiles.
template <class F, class... Args>
concept CallableWith = forms_for<std::decay_t<F>, SentAs<Args>...>()
!= no_form;

/// The call itself, `Args` decayed, and `F` too, or an rvalue reference to what is called for the last time.
template <class F, class... Args>
struct Call {
  using Callable = std::remove_reference_t<F>;
  static constexpr unsigned forms = forms_for<F, Args...>();
  static_assert(forms != no_form, "ipc: the callable cannot be called with these arguments");

  decltype(auto) operator()(Callable& f, std::tuple<Args...>& args) const { return call(f, args, std::index_sequence_for<Args...>()); }

 private:
  template <std::size_t... I>
  static decltype(auto) call(Callable& f, [[maybe_unused]] std::tuple<Args...>& args, std::index_sequence<I...>) {
    return std::invoke(static_cast<CalledAs<F>>(f), PassedAs<Args, form_of(forms, I)>::get(std::get<I>(args))...);
  }
};

template <class F, class... Args>
struct ResultOf {
  using Raw = std::invoke_result_t<Call<F, Args...>, F&, std::tuple<Args...>&>;
  using type = SentAs<Raw>;
};

}  // namespace ipc::detail
