#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <forward_list>
#include <list>
#include <map>
#include <set>
#include <string>
#include <type_traits>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <ipc/detail/codec_core.hpp>
#include <ipc/error.hpp>

/// How the standard library's containers travel: a 64-bit number of elements, then the elements.

namespace ipc::detail {

/// What may be reserved for `count` elements before they are read: elements can be larger in memory than in the
/// message, and a hostile number of them must not become an allocation out of proportion to it.
template <class T>
std::size_t reservation(const Reader& reader, std::size_t count) {
  return std::min(count, 64 + 4 * reader.remaining() / sizeof(T));
}

/// Whether objects of type T may be read where these bytes lie.
template <class T>
bool is_aligned_for(const std::byte* bytes) noexcept {
  return alignof(T) == 1 || reinterpret_cast<std::uintptr_t>(bytes) % alignof(T) == 0;
}

template <class C, class Traits, class A>
struct Codec<std::basic_string<C, Traits, A>> {
  static constexpr bool sendable = is_character_v<C>;
  static constexpr bool flat = false;
  static constexpr std::size_t least = sizeof(std::uint64_t);

  static void encode(Writer& writer, const std::basic_string<C, Traits, A>& value) { put(writer, value.data(), value.size()); }
  /// Of text that ends with a null character.
  static void encode_text(Writer& writer, const C* text) {
    if (text == nullptr) throw EncodingError("A null pointer was sent as text.");
    put(writer, text, Traits::length(text));
  }
  /// Of text in an array, up to a null character if it has one.
  static void encode_text_in(Writer& writer, const C* text, std::size_t size) {
    const C* const end = Traits::find(text, size, C());
    put(writer, text, end != nullptr ? static_cast<std::size_t>(end - text) : size);
  }
  static std::basic_string<C, Traits, A> decode(Reader& reader) {
    const std::size_t size = reader.count(sizeof(C));
    const std::byte* bytes = reader.take(size * sizeof(C));
    std::basic_string<C, Traits, A> value;
    if (is_aligned_for<C>(bytes)) {
      value.reserve(size);
      append_copy(value, reinterpret_cast<const C*>(bytes), size);
    } else {
      value.resize(size);
      copy_bytes(value.data(), bytes, size * sizeof(C));
    }
    return value;
  }

 private:
  static void put(Writer& writer, const C* data, std::size_t size) {
    writer.raw(std::uint64_t{size});
    writer.bytes(data, size * sizeof(C));
  }
};

template <class T, class A>
struct Codec<std::vector<T, A>> {
  static constexpr bool sendable = Codec<T>::sendable;
  static constexpr bool flat = false;
  static constexpr std::size_t least = sizeof(std::uint64_t);

  template <class U>
  static void encode(Writer& writer, U&& value) {
    writer.raw(std::uint64_t{value.size()});
    if constexpr (Codec<T>::flat) {
      writer.bytes(value.data(), value.size() * sizeof(T));
    } else {
      for (auto& element : value) encode_element<T>(writer, pass_on<U>(element));
    }
  }
  static std::vector<T, A> decode(Reader& reader) {
    const std::size_t size = reader.count(least_element<T>);
    std::vector<T, A> value;
    if constexpr (Codec<T>::flat) {
      if (size == 0) return value;
      const std::byte* bytes = reader.take(size * sizeof(T));
      if (is_aligned_for<T>(bytes)) {
        // One pass over the memory, where `resize` would first fill it with zeros.
        const T* first = reinterpret_cast<const T*>(bytes);
        if constexpr (std::is_copy_assignable_v<T>) {
          value.reserve(size);
          append_copy(value, first, size);
        } else {
          return std::vector<T, A>(first, first + size);
        }
      } else if constexpr (std::is_default_constructible_v<T>) {
        value.resize(size);
        copy_bytes(value.data(), bytes, size * sizeof(T));
      } else {
        Reader elements({bytes, size * sizeof(T)});
        value.reserve(size);
        for (std::size_t i = 0; i < size; ++i) value.push_back(elements.raw<T>());
      }
    } else {
      value.reserve(reservation<T>(reader, size));
      for (std::size_t i = 0; i < size; ++i) value.push_back(decode_element<T>(reader));
    }
    return value;
  }
};

/// Eight to a byte, the first in the lowest bit.
template <class A>
struct Codec<std::vector<bool, A>> {
  static constexpr bool sendable = true;
  static constexpr bool flat = false;
  static constexpr std::size_t least = sizeof(std::uint64_t);

  static void encode(Writer& writer, const std::vector<bool, A>& value) {
    writer.raw(std::uint64_t{value.size()});
    for (std::size_t i = 0; i < value.size(); i += 8) {
      unsigned byte = 0;
      for (std::size_t bit = 0; bit < 8 && i + bit < value.size(); ++bit) byte |= static_cast<unsigned>(value[i + bit]) << bit;
      writer.raw(static_cast<std::uint8_t>(byte));
    }
  }
  static std::vector<bool, A> decode(Reader& reader) {
    const auto size = reader.raw<std::uint64_t>();
    const std::byte* bytes = reader.take(static_cast<std::size_t>(size / 8 + (size % 8 == 0 ? 0 : 1)));
    std::vector<bool, A> value(static_cast<std::size_t>(size));
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = ((std::to_integer<unsigned>(bytes[i / 8]) >> (i % 8)) & 1u) != 0;
    return value;
  }
};

/// Containers that grow at their end.
template <class C>
struct SequenceCodec {
  using T = typename C::value_type;
  static constexpr bool sendable = Codec<T>::sendable;
  static constexpr bool flat = false;
  static constexpr std::size_t least = sizeof(std::uint64_t);

  template <class U>
  static void encode(Writer& writer, U&& value) {
    writer.raw(static_cast<std::uint64_t>(std::distance(value.begin(), value.end())));  // forward_list has no size().
    for (auto& element : value) encode_element<T>(writer, pass_on<U>(element));
  }
  static C decode(Reader& reader) {
    const std::size_t size = reader.count(least_element<T>);
    C value;
    if constexpr (requires(T element) { value.push_back(std::move(element)); }) {
      for (std::size_t i = 0; i < size; ++i) value.push_back(decode_element<T>(reader));
    } else {
      auto last = value.before_begin();
      for (std::size_t i = 0; i < size; ++i) last = value.insert_after(last, decode_element<T>(reader));
    }
    return value;
  }
};
template <class T, class A>
struct Codec<std::deque<T, A>> : SequenceCodec<std::deque<T, A>> {};
template <class T, class A>
struct Codec<std::list<T, A>> : SequenceCodec<std::list<T, A>> {};
template <class T, class A>
struct Codec<std::forward_list<T, A>> : SequenceCodec<std::forward_list<T, A>> {};

/// Containers that find their elements a place. Comparisons and hashes do not travel: they are made anew.
template <class C>
struct LookupCodec {
  using T = typename C::value_type;
  static constexpr bool sendable = Codec<T>::sendable;
  static constexpr bool flat = false;
  static constexpr std::size_t least = sizeof(std::uint64_t);

  template <class U>
  static void encode(Writer& writer, U&& value) {
    writer.raw(std::uint64_t{value.size()});
    for (auto& element : value) encode_element<T>(writer, pass_on<U>(element));
  }
  static C decode(Reader& reader) {
    const std::size_t size = reader.count(least_element<T>);
    C value;
    if constexpr (requires { value.reserve(size); }) value.reserve(reservation<T>(reader, size));
    // The sender's order: for sorted containers each element belongs at the end.
    for (std::size_t i = 0; i < size; ++i) value.emplace_hint(value.end(), decode_element<T>(reader));
    return value;
  }
};
template <class K, class L, class A>
struct Codec<std::set<K, L, A>> : LookupCodec<std::set<K, L, A>> {};
template <class K, class L, class A>
struct Codec<std::multiset<K, L, A>> : LookupCodec<std::multiset<K, L, A>> {};
template <class K, class H, class E, class A>
struct Codec<std::unordered_set<K, H, E, A>> : LookupCodec<std::unordered_set<K, H, E, A>> {};
template <class K, class H, class E, class A>
struct Codec<std::unordered_multiset<K, H, E, A>> : LookupCodec<std::unordered_multiset<K, H, E, A>> {};
template <class K, class V, class L, class A>
struct Codec<std::map<K, V, L, A>> : LookupCodec<std::map<K, V, L, A>> {};
template <class K, class V, class L, class A>
struct Codec<std::multimap<K, V, L, A>> : LookupCodec<std::multimap<K, V, L, A>> {};
template <class K, class V, class H, class E, class A>
struct Codec<std::unordered_map<K, V, H, E, A>> : LookupCodec<std::unordered_map<K, V, H, E, A>> {};
template <class K, class V, class H, class E, class A>
struct Codec<std::unordered_multimap<K, V, H, E, A>> : LookupCodec<std::unordered_multimap<K, V, H, E, A>> {};

}  // namespace ipc::detail
