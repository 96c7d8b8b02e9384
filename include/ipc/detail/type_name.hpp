#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>

namespace ipc::detail {

/// The compiler's own spelling of T, wrapped in words that do not depend on it.
template <class T>
constexpr const char* spelled() noexcept {
  return __PRETTY_FUNCTION__;
}

/// FNV-1a, 64 bits.
constexpr std::uint64_t fnv1a(std::string_view text, std::uint64_t hash = 0xcbf29ce484222325u) noexcept {
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

template <class T>
inline constexpr bool is_character_v = std::is_same_v<T, char> || std::is_same_v<T, wchar_t> || std::is_same_v<T, char8_t> ||
                                       std::is_same_v<T, char16_t> || std::is_same_v<T, char32_t>;

/// What arrives when a T is sent: T itself, but text for `const char*` and string literals.
template <class T, class D = std::decay_t<T>>
struct SentAsImpl {
  using type = D;
};
template <class T, class C>
struct SentAsImpl<T, C*> {
  using type = std::conditional_t<is_character_v<std::remove_cv_t<C>>, std::basic_string<std::remove_cv_t<C>>, C*>;
};
template <class T, class R, class... A>
struct SentAsImpl<T, R (*)(A...)> {
  using type = R (*)(A...);
};
template <class T, class R, class... A>
struct SentAsImpl<T, R (*)(A...) noexcept> {
  using type = R (*)(A...) noexcept;
};
template <class T>
using SentAs = typename SentAsImpl<T>::type;

/// Names a type among the objects that programs of different compilers find by their names.
inline std::uint64_t type_tag_of(const std::type_info& type) noexcept { return fnv1a(type.name()); }

/// Whether types that are not the same may be spelled alike: lambdas, and types that are local to the blocks of one function. GCC
/// names the function, with its parentheses; clang does not.
constexpr bool spelling_may_be_shared([[maybe_unused]] std::string_view spelling) noexcept {
#if defined(__clang__)
  return true;
#else
  return spelling.find('(', spelling.find('=')) != std::string_view::npos;
#endif
}

/// The mangled name tells such types apart, but is known only at run time.
template <class T>
std::uint64_t mangled_type_tag() noexcept {
  static const std::uint64_t tag = type_tag_of(typeid(T));
  return tag;
}

/// Names a type in a message, so that reading it as another is an error instead of garbage. Two compilers may spell a
/// type differently; programs that exchange typed messages are the same build, or agree by luck.
template <class T>
constexpr std::uint64_t type_tag() noexcept {
  using Sent = SentAs<T>;
  if constexpr (spelling_may_be_shared(spelled<Sent>())) {
    return mangled_type_tag<Sent>();
  } else {
    constexpr std::uint64_t tag = fnv1a(spelled<Sent>());
    return tag;
  }
}

/// A mangled name as it is written in C++, with the standard library's inline namespaces left out.
std::string demangle(const char* mangled);

template <class T>
std::string type_name() {
  return demangle(typeid(T).name());
}

}  // namespace ipc::detail
