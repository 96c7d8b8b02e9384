#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include <ipc/detail/reader.hpp>
#include <ipc/detail/type_name.hpp>
#include <ipc/detail/writer.hpp>

namespace ipc::detail {

/// How values of T travel. The primary template (codec.hpp) knows scalars, classes with a `serialize`, handles and
/// trivially copyable classes; codec_std.hpp specialises it for the standard library. Each has
///   sendable  whether a T can travel, as far as the compiler can tell;
///   flat      whether the bytes of a T are its encoding and any bytes are a T: ranges of them are copied at once;
///   least     the fewest bytes that an encoded T takes: what an announced number of elements is checked against;
///   encode    of a `const T&` or, moving out what cannot be copied, a `T&&`;
///   decode    from bytes that somebody else wrote: a value or `EncodingError`, whatever the bytes are.
template <class T>
struct Codec;

/// A value that can be sent, put in a queue, passed to a process and returned from one.
template <class T>
concept Sendable = std::is_object_v<std::remove_reference_t<T>> && Codec<SentAs<T>>::sendable;

template <class T>
T decode(Reader& reader) {
  static_assert(std::is_same_v<T, std::decay_t<T>>, "ipc: decode makes values, not references or arrays");
  return Codec<T>::decode(reader);
}

template <class T>
void encode(Writer& writer, const T& value) {
  using Sent = SentAs<T>;
  if constexpr (!std::is_same_v<Sent, std::decay_t<T>>) {
    if constexpr (std::is_array_v<T>) {
      Codec<Sent>::encode_text_in(writer, value, std::extent_v<T>);
    } else {
      Codec<Sent>::encode_text(writer, static_cast<const typename Sent::value_type*>(value));
    }
  } else {
    Codec<Sent>::encode(writer, value);
  }
}

/// Of a value that the caller gives up: what cannot be copied (descriptors, connections) moves into the message.
template <class T>
requires(!std::is_reference_v<T> && !std::is_const_v<T> && std::is_class_v<T>) void encode(Writer& writer, T&& value) {
  Codec<T>::encode(writer, std::forward<T>(value));
}

/// A value that no T has, where a T was expected: another type's bytes.
[[noreturn]] void fail_choice(const char* type, unsigned value);

template <>
struct Codec<bool> {
  static constexpr bool sendable = true;
  static constexpr bool flat = false;  // Most bytes are no bool.
  static constexpr std::size_t least = 1;
  static void encode(Writer& writer, bool value) { writer.raw(static_cast<std::uint8_t>(value)); }
  static bool decode(Reader& reader) {
    const auto byte = reader.raw<std::uint8_t>();
    if (byte > 1) fail_choice("bool", byte);
    return byte == 1;
  }
};

/// Refuses bytes that the value did not use: they were meant for another type.
[[noreturn]] void fail_left_over(std::size_t bytes);

/// A T that is the whole rest of the message.
template <class T>
T decode_all(Reader& reader) {
  T value = decode<T>(reader);
  if (!reader.at_end()) fail_left_over(reader.remaining());
  return value;
}

/// A part of `Owner`, which was passed as `Owner&&`: moved from when the owner is given up, const otherwise.
template <class Owner, class Part>
constexpr decltype(auto) pass_on(Part& part) noexcept {
  if constexpr (std::is_lvalue_reference_v<Owner> || std::is_const_v<Part>) {
    return std::as_const(part);
  } else {
    return std::move(part);
  }
}

/// Elements of ranges take at least one byte, also where their type encodes to none, so that the number of elements
/// can always be checked against the bytes that are left.
template <class T>
inline constexpr std::size_t least_element = Codec<T>::least == 0 ? 1 : Codec<T>::least;

template <class T, class Element>
void encode_element(Writer& writer, Element&& element) {
  const std::size_t before = writer.size();
  Codec<T>::encode(writer, std::forward<Element>(element));
  if constexpr (Codec<T>::least == 0) {
    if (writer.size() == before) writer.raw(std::byte{0});
  }
}

template <class T>
T decode_element(Reader& reader) {
  if constexpr (Codec<T>::least == 0) {
    const std::size_t before = reader.remaining();
    T element = Codec<T>::decode(reader);
    if (reader.remaining() == before) reader.take(1);
    return element;
  } else {
    return Codec<T>::decode(reader);
  }
}

}  // namespace ipc::detail
