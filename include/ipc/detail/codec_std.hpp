#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <ipc/detail/boost_pointer.hpp>
#include <ipc/detail/codec_containers.hpp>
#include <ipc/detail/codec_core.hpp>

/// How the standard library's single values and products of values travel.

namespace ipc::detail {

/// A variant that is valueless by exception.
[[noreturn]] void fail_valueless();

template <class T, std::size_t N>
struct Codec<std::array<T, N>> {
  static constexpr bool sendable = Codec<T>::sendable;
  static constexpr bool flat = N != 0 && Codec<T>::flat;
  static constexpr std::size_t least = N * Codec<T>::least;

  template <class U>
  static void encode(Writer& writer, U&& value) {
    if constexpr (flat) {
      writer.raw(value);
    } else {
      for (auto& element : value) Codec<T>::encode(writer, pass_on<U>(element));
    }
  }
  static std::array<T, N> decode(Reader& reader) {
    if constexpr (flat) {
      return reader.raw<std::array<T, N>>();
    } else if constexpr (std::is_default_constructible_v<T> && std::is_move_assignable_v<T>) {
      std::array<T, N> value{};
      for (auto& element : value) element = Codec<T>::decode(reader);
      return value;
    } else {
      return each(reader, std::make_index_sequence<N>());
    }
  }

 private:
  template <std::size_t... I>
  static std::array<T, N> each(Reader& reader, std::index_sequence<I...>) {
    return {{(static_cast<void>(I), Codec<T>::decode(reader))...}};
  }
};

template <class A, class B>
struct Codec<std::pair<A, B>> {
  using First = std::remove_const_t<A>;
  using Second = std::remove_const_t<B>;
  static constexpr bool sendable = Codec<First>::sendable && Codec<Second>::sendable;
  static constexpr bool flat = false;
  static constexpr std::size_t least = Codec<First>::least + Codec<Second>::least;

  template <class U>
  static void encode(Writer& writer, U&& value) {
    Codec<First>::encode(writer, pass_on<U>(value.first));
    Codec<Second>::encode(writer, pass_on<U>(value.second));
  }
  static std::pair<A, B> decode(Reader& reader) {
    First first = Codec<First>::decode(reader);
    return std::pair<A, B>(std::move(first), Codec<Second>::decode(reader));
  }
};

template <class... T>
struct Codec<std::tuple<T...>> {
  static constexpr bool sendable = (Codec<T>::sendable && ...);
  static constexpr bool flat = false;
  static constexpr std::size_t least = (Codec<T>::least + ... + 0);

  template <class U>
  static void encode(Writer& writer, U&& value) {
    std::apply([&](auto&... part) { (Codec<T>::encode(writer, pass_on<U>(part)), ...); }, value);
  }
  static std::tuple<T...> decode([[maybe_unused]] Reader& reader) {
    return std::tuple<T...>{Codec<T>::decode(reader)...};  // Braces: from left to right.
  }
};

template <class T>
struct Codec<std::optional<T>> {
  static constexpr bool sendable = Codec<T>::sendable;
  static constexpr bool flat = false;
  static constexpr std::size_t least = 1;

  template <class U>
  static void encode(Writer& writer, U&& value) {
    Codec<bool>::encode(writer, value.has_value());
    if (value) Codec<T>::encode(writer, pass_on<U>(*value));
  }
  static std::optional<T> decode(Reader& reader) {
    if (!Codec<bool>::decode(reader)) return std::nullopt;
    return std::optional<T>(std::in_place, Codec<T>::decode(reader));
  }
};

template <>
struct Codec<std::monostate> {
  static constexpr bool sendable = true;
  static constexpr bool flat = false;
  static constexpr std::size_t least = 0;
  static void encode(Writer&, std::monostate) noexcept {}
  static std::monostate decode(Reader&) noexcept { return {}; }
};

template <class... T>
struct Codec<std::variant<T...>> {
  using Variant = std::variant<T...>;
  static_assert(sizeof...(T) <= 256, "ipc: a variant of more than 256 types cannot be sent");
  static constexpr bool sendable = (Codec<T>::sendable && ...);
  static constexpr bool flat = false;
  static constexpr std::size_t least = 1;

  template <class U>
  static void encode(Writer& writer, U&& value) {
    if (value.valueless_by_exception()) fail_valueless();
    writer.raw(static_cast<std::uint8_t>(value.index()));
    std::visit([&]<class Part>(Part& part) { Codec<std::remove_const_t<Part>>::encode(writer, pass_on<U>(part)); }, value);
  }
  static Variant decode(Reader& reader) {
    const auto index = reader.raw<std::uint8_t>();
    if (index >= sizeof...(T)) fail_choice("std::variant", index);
    return alternative(reader, index, std::index_sequence_for<T...>());
  }

 private:
  template <std::size_t... I>
  static Variant alternative(Reader& reader, std::size_t index, std::index_sequence<I...>) {
    using Make = Variant (*)(Reader&);
    static constexpr std::array<Make, sizeof...(T)> makers{
        [](Reader& r) { return Variant(std::in_place_index<I>, Codec<T>::decode(r)); }...};
    return makers[index](reader);
  }
};

/// How what an owning pointer owns travels, and why it does not.
enum class Owned {
  value,       ///< Its type is known: as a value.
  archive,     ///< A polymorphic one, which could be of a derived class: only full Boost archives know how to send that.
  derived,     ///< The same, but without Boost's archives.
  array,       ///< Its length is not known.
  incomplete,  ///< Of `void`, or of a class that is only declared where the pointer is first looked at.
};

template <class T>
consteval Owned owned_by_pointer() {
  if constexpr (std::is_array_v<T>) {
    return Owned::array;
  } else if constexpr (!requires { sizeof(T); } || std::is_void_v<T> || std::is_function_v<T>) {
    return Owned::incomplete;
  } else if constexpr (!std::is_polymorphic_v<T> || std::is_final_v<T>) {
    return Owned::value;
  } else {
    return ByBoostArchive<T> ? Owned::archive : Owned::derived;
  }
}

template <class T>
consteval bool is_owned_sendable() {
  constexpr Owned owned = owned_by_pointer<T>();
  if constexpr (owned == Owned::value) {
    return Codec<std::remove_const_t<T>>::sendable;
  } else {
    return owned == Owned::archive;
  }
}

/// Owning pointers travel as the value they own, or nothing. Two that share an object own one each afterwards.
template <class Pointer, class T>
struct PointerCodec {
  using Value = std::remove_const_t<T>;
  static constexpr Owned owned = owned_by_pointer<T>();
  static constexpr bool sendable = is_owned_sendable<T>();
  static constexpr bool flat = false;
  static constexpr std::size_t least = 1;

  template <class U>
  static void encode(Writer& writer, U&& value) {
    require();
    if constexpr (owned == Owned::value) {
      Codec<bool>::encode(writer, value != nullptr);
      if (value != nullptr) Codec<Value>::encode(writer, pass_on<U>(*value));
    } else if constexpr (owned == Owned::archive) {
      encode_by_boost<Value>(writer, value.get());
    }
  }
  static Pointer decode(Reader& reader) {
    require();
    if constexpr (owned == Owned::value) {
      if (!Codec<bool>::decode(reader)) return nullptr;
      return Pointer(new Value(Codec<Value>::decode(reader)));
    } else if constexpr (owned == Owned::archive) {
      return Pointer(decode_by_boost<Value>(reader));
    }
  }

 private:
  static constexpr void require() {
    static_assert(owned != Owned::array, "ipc: an owned array cannot be sent, its length is not known: send a std::vector");
    static_assert(owned != Owned::incomplete,
                  "ipc: a pointer to a class that is only declared, or to void, cannot be sent: define the class before, or send a value");
    static_assert(
        owned != Owned::derived,
        "ipc: a pointer to a polymorphic class cannot be sent, what it owns may be of a derived class: send a std::variant, or give the "
        "classes "
        "a serialize and BOOST_CLASS_EXPORT and include <boost/archive/binary_oarchive.hpp> and <boost/archive/binary_iarchive.hpp>");
  }
};
template <class T>
struct Codec<std::unique_ptr<T>> : PointerCodec<std::unique_ptr<T>, T> {};
template <class T>
struct Codec<std::shared_ptr<T>> : PointerCodec<std::shared_ptr<T>, T> {};

template <std::size_t N>
struct Codec<std::bitset<N>> {
  static constexpr bool sendable = true;
  static constexpr bool flat = false;
  static constexpr std::size_t least = sizeof(std::bitset<N>);
  static void encode(Writer& writer, const std::bitset<N>& value) { writer.raw(value); }
  static std::bitset<N> decode(Reader& reader) {
    // The last word may have bits that the set has not; flipping clears them.
    return reader.raw<std::bitset<N>>().flip().flip();
  }
};

}  // namespace ipc::detail
