#pragma once

#include <array>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <ipc/detail/callable.hpp>

namespace ipc::detail {

/// Whether encoding, decoding or destroying a T may run code that is not this library's: a `serialize`, a constructor. Such
/// code may do anything, take locks and use pools. True where it is not known.
template <class T>
inline constexpr bool runs_user_code_v =
    !(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T> && !HasSerialize<T> && !HasOwnCodec<T>);
template <>
inline constexpr bool runs_user_code_v<void> = false;
template <class C>
inline constexpr bool runs_user_code_v<std::basic_string<C>> = false;
template <class T>
inline constexpr bool runs_user_code_v<std::vector<T>> = runs_user_code_v<T>;
template <class T, std::size_t n>
inline constexpr bool runs_user_code_v<std::array<T, n>> = runs_user_code_v<T>;
template <class T>
inline constexpr bool runs_user_code_v<std::optional<T>> = runs_user_code_v<T>;
template <class A, class B>
inline constexpr bool runs_user_code_v<std::pair<A, B>> = runs_user_code_v<A> || runs_user_code_v<B>;
template <class... T>
inline constexpr bool runs_user_code_v<std::tuple<T...>> = (runs_user_code_v<T> || ...);

/// The same for a callable that is shipped.
template <class F>
inline constexpr bool ships_user_code_v = shipping_of<F>() == Shipping::codec;

}  // namespace ipc::detail
