#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#include <ipc/detail/codec.hpp>
#include <ipc/detail/invoke.hpp>
#include <ipc/detail/token.hpp>

namespace ipc::detail {

/// How a callable gets to a process that was not forked for it.
enum class Shipping {
  no,
  token,    ///< Pointers to functions and members.
  codec,    ///< Function objects with a `serialize`, and handles.
  nothing,  ///< Captures nothing: its type, which the thunk knows, is all there is.
  bytes,    ///< Captures only what can be copied byte by byte.
};

template <class F>
consteval Shipping shipping_of() {
  if constexpr (is_code_pointer_v<F> || std::is_member_object_pointer_v<F>) {
    return Shipping::token;
  } else if constexpr (!std::is_class_v<F> || is_view_v<F>) {
    return Shipping::no;
  } else if constexpr (HasOwnCodec<F> || HasSerialize<F>) {
    return Shipping::codec;
  } else if constexpr (std::is_trivially_copyable_v<F> && std::is_move_constructible_v<F>) {
    return std::is_empty_v<F> ? Shipping::nothing : Shipping::bytes;
  } else if constexpr (std::is_empty_v<F> && std::is_default_constructible_v<F>) {
    return Shipping::nothing;
  } else {
    return Shipping::no;
  }
}

/// Function pointers, member pointers, closures and function objects that capture nothing or are trivially copyable,
/// or have a `serialize`.
template <class F>
concept ShippableCallable = (shipping_of<std::decay_t<F>>() != Shipping::no);

std::string not_shippable_sentence(const std::string& type, bool wraps_any_callable);
/// Throws `NotShippable` if the object holds an address on the calling thread's stack: a capture by reference, which
/// the type does not show. Looks only where the compiler can tell values from padding.
void refuse_stack_addresses(const void* object, std::size_t size, const char* type);

template <class T>
inline constexpr bool is_any_callable_v = false;
template <class S>
inline constexpr bool is_any_callable_v<std::function<S>> = true;

/// For `NotShippable`: the type, the rule that it breaks, and what to do.
template <class F>
std::string why_not_shippable() {
  using D = std::decay_t<F>;
  return ShippableCallable<F> ? std::string() : not_shippable_sentence(type_name<D>(), is_any_callable_v<D>);
}

/// Moves out what cannot be copied, as `encode` does, if `f` is given up.
template <class F>
void encode_callable(Writer& writer, F&& f) {
  using D = std::decay_t<F>;
  constexpr Shipping shipping = shipping_of<D>();
  static_assert(
      shipping != Shipping::no,
      "ipc: this callable cannot be shipped to another process: it must be a function, a pointer to a member, or a lambda or function "
      "object that captures nothing or only what is trivially copyable; or give it a serialize function. Pass data as arguments");
  if constexpr (shipping == Shipping::codec && !std::is_lvalue_reference_v<F>) {
    Codec<D>::encode(writer, std::forward<F>(f));
  } else if constexpr (shipping == Shipping::token || shipping == Shipping::codec) {
    Codec<D>::encode(writer, static_cast<const D&>(f));
  } else if constexpr (shipping == Shipping::bytes) {
    alignas(D) std::byte copy[sizeof(D)];
    std::memcpy(copy, &f, sizeof(D));
#if defined(__has_builtin)
#if __has_builtin(__builtin_clear_padding)
    __builtin_clear_padding(reinterpret_cast<D*>(copy));
    refuse_stack_addresses(copy, sizeof(D), typeid(D).name());
#endif
#endif
    writer.bytes(copy, sizeof(D));
  }
}

template <class F>
F decode_callable(Reader& reader) {
  static_assert(std::is_same_v<F, std::decay_t<F>>);
  constexpr Shipping shipping = shipping_of<F>();
  if constexpr (shipping == Shipping::token || shipping == Shipping::codec) {
    return Codec<F>::decode(reader);
  } else if constexpr (shipping == Shipping::nothing && std::is_default_constructible_v<F>) {
    return F();
  } else {
    // Closures with captures have no constructor to call; being trivially copyable, their bytes are all they are.
    alignas(F) std::byte storage[sizeof(F)]{};
    if constexpr (shipping == Shipping::bytes) reader.bytes(storage, sizeof(F));
    return std::move(*reinterpret_cast<F*>(storage));
  }
}

/// Runs one call: reads a callable and its arguments from `input`, writes what it returns to `output`.
using Thunk = void (*)(Reader& input, Writer& output);

/// What a call gives, as it arrives. `void` for nothing.
template <class F, class... Args>
using CallResult = typename ResultOf<std::decay_t<F>, SentAs<Args>...>::type;

template <class F, class... Args>
void thunk(Reader& input, Writer& output) {
  F f = decode_callable<F>(input);
  std::tuple<Args...> args{decode<Args>(input)...};  // Braces: from left to right.
  using Result = std::invoke_result_t<Call<F, Args...>, F&, std::tuple<Args...>&>;
  if constexpr (std::is_void_v<Result>) {
    Call<F, Args...>()(f, args);
  } else {
    Result result = Call<F, Args...>()(f, args);
    output.end_if_forked();
    encode(output, std::forward<Result>(result));
  }
}

/// The token of the thunk that runs such calls, found once.
template <class F, class... Args>
Token thunk_token() {
  static const Token token = token_of(reinterpret_cast<const void*>(&thunk<std::decay_t<F>, SentAs<Args>...>));
  return token;
}

/// All that another process of this build needs to run `f(args...)`.
template <class F, class... Args>
void encode_call(Writer& writer, const F& f, Args&&... args) {
  writer.raw(thunk_token<F, Args...>());
  encode_callable(writer, f);
  (encode(writer, std::forward<Args>(args)), ...);
}

/// Runs an encoded call. What the callable throws passes through; bytes that are no call are `EncodingError`.
void run_call(Reader& input, Writer& output);

}  // namespace ipc::detail
