#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <typeindex>
#include <utility>

#include <ipc/detail/archive.hpp>
#include <ipc/detail/codec_core.hpp>
#include <ipc/detail/codec_std.hpp>
#include <ipc/detail/token.hpp>
#include <ipc/fd.hpp>

namespace ipc::detail {

/// Handle classes say themselves how they travel: `ipc_encode(Writer&)`, const where sending leaves the handle as it
/// is, and `static T ipc_decode(Reader&)`.
template <class T>
concept HasOwnCodec = requires(T& value, Writer& writer, Reader& reader) {
  value.ipc_encode(writer);
  { T::ipc_decode(reader) } -> std::same_as<T>;
};

/// `std::filesystem::path` and Boost's, without their headers.
template <class T>
concept PathLike = requires(const T& path) {
  typename T::string_type;
  { path.native() } -> std::same_as<const typename T::string_type&>;
  T(typename T::string_type());
};

/// Classes of the standard library that could be copied byte by byte, but point elsewhere.
template <class T>
inline constexpr bool is_view_v = std::input_or_output_iterator<T>;
template <class C, class R>
inline constexpr bool is_view_v<std::basic_string_view<C, R>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view_v<std::span<T, N>> = true;
template <class T>
inline constexpr bool is_view_v<std::reference_wrapper<T>> = true;
template <class T>
inline constexpr bool is_view_v<std::initializer_list<T>> = true;
template <>
inline constexpr bool is_view_v<std::error_code> = true;
template <>
inline constexpr bool is_view_v<std::error_condition> = true;
template <>
inline constexpr bool is_view_v<std::type_index> = true;

enum class Rule { none, pointer, view, function, own_codec, serialize, path, flat };

template <class T>
consteval Rule rule_of() {
  if constexpr (is_code_pointer_v<T>) {
    return Rule::function;
  } else if constexpr (std::is_pointer_v<T> || std::is_reference_v<T> || std::is_array_v<T>) {
    return Rule::pointer;
  } else if constexpr (HasOwnCodec<T>) {
    return Rule::own_codec;
  } else if constexpr (HasSerialize<T>) {
    return Rule::serialize;
  } else if constexpr (is_view_v<T>) {
    return Rule::view;
  } else if constexpr (PathLike<T>) {
    return Rule::path;
  } else if constexpr (std::is_trivially_copyable_v<T> && std::is_copy_constructible_v<T>) {
    return Rule::flat;
  } else {
    return Rule::none;
  }
}

/// Whether sending leaves the handle as it is; the others give away what they hold.
template <class T>
concept LeftBySending = requires(const T& value, Writer& writer) {
  value.ipc_encode(writer);
};
/// Whether a T can be sent only as an rvalue: such a handle, or something made of them. Wrong for nothing but classes of the user's.
template <class T>
inline constexpr bool moves_when_sent_v = HasOwnCodec<T> && !LeftBySending<T>;
template <template <class...> class C, class... Parts>
inline constexpr bool moves_when_sent_v<C<Parts...>> =
    HasOwnCodec<C<Parts...>> ? !LeftBySending<C<Parts...>> : (moves_when_sent_v<Parts> || ...);
template <class T, std::size_t N>
inline constexpr bool moves_when_sent_v<std::array<T, N>> = moves_when_sent_v<T>;

template <class T>
struct Codec {
  static constexpr Rule rule = rule_of<T>();
  static constexpr bool sendable = rule != Rule::none && rule != Rule::pointer && rule != Rule::view;
  static constexpr bool flat = rule == Rule::flat;
  static constexpr bool by_serialize = rule == Rule::serialize;
  static constexpr std::size_t least = flat                     ? sizeof(T)
                                       : rule == Rule::function ? sizeof(CodePointer<T>)
                                       : rule == Rule::path     ? sizeof(std::uint64_t)
                                                                : 0;

  template <class U>
  static void encode(Writer& writer, U&& value) {
    require();
    if constexpr (rule == Rule::function) {
      writer.raw(to_code_pointer(value));
    } else if constexpr (rule == Rule::own_codec) {
      static_assert(LeftBySending<T> || !std::is_lvalue_reference_v<U>, "ipc: this handle moves when it is sent: pass it with std::move");
      value.ipc_encode(writer);
    } else if constexpr (rule == Rule::serialize) {
      std::conditional_t<std::is_lvalue_reference_v<U> || std::is_const_v<U>, OutputArchive, MovingOutputArchive> archive(writer);
      archive << value;
    } else if constexpr (rule == Rule::path) {
      Codec<typename T::string_type>::encode(writer, value.native());
    } else if constexpr (rule == Rule::flat) {
      writer.raw(value);
    }
  }

  // Abstract classes and arrays get here as bases and members that a `serialize` names; nothing returns one.
  using Decoded = std::conditional_t<std::is_abstract_v<T> || std::is_array_v<T>, void, T>;

  static Decoded decode(Reader& reader) {
    require();
    if constexpr (rule == Rule::function) {
      return from_code_pointer<T>(reader.raw<CodePointer<T>>());
    } else if constexpr (rule == Rule::own_codec) {
      return T::ipc_decode(reader);
    } else if constexpr (rule == Rule::serialize) {
      return load(reader);
    } else if constexpr (rule == Rule::path) {
      return T(Codec<typename T::string_type>::decode(reader));
    } else {
      return reader.raw<T>();
    }
  }

 private:
  static Decoded load(Reader& reader) {
    InputArchive archive(reader);
    if constexpr (std::is_default_constructible_v<T>) {
      T value{};
      archive >> value;
      return value;
    } else {
      // A private default constructor is reached through boost::serialization::access, which the class befriends.
      // An error in there says that T has none: a class that is sent must have one.
      alignas(T) std::byte storage[sizeof(T)];
      T* value = reinterpret_cast<T*>(storage);
      boost::serialization::access::construct(value);
      const std::unique_ptr<T, void (*)(T*)> guard(value, [](T* t) { t->~T(); });
      archive >> *value;
      return std::move(*value);
    }
  }

  static constexpr void require() {
    static_assert(
        rule != Rule::pointer,
        "ipc: a raw pointer cannot be sent, the other process has other memory: send the value, a shared handle, or std::string for text");
    static_assert(
        rule != Rule::view,
        "ipc: a view or iterator (string_view, span, reference_wrapper, initializer_list...) cannot be sent, the other process has other "
        "memory: send the std::string or container it looks at");
    static_assert(rule != Rule::none,
                  "ipc: this type cannot be sent: it is neither copyable and trivially so, nor a standard container of sendable values, "
                  "nor a shared handle. "
                  "Give it `template <class Archive> void serialize(Archive& ar, unsigned) { ar & member & ...; }`");
  }
};

/// Sending a descriptor sends a duplicate, unless the caller gives it up.
template <>
struct Codec<Fd> {
  static constexpr bool sendable = true;
  static constexpr bool flat = false;
  static constexpr std::size_t least = 0;
  static void encode(Writer& writer, const Fd& fd) { writer.fd(fd.duplicate()); }
  static void encode(Writer& writer, Fd&& fd) { writer.fd(std::move(fd)); }
  static Fd decode(Reader& reader) { return reader.fd(); }
};

}  // namespace ipc::detail
