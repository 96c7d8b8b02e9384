#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ipc::detail {

/// A place in code that means the same in every process of one build: which module (program or shared library), and
/// how far into it. Addresses differ from process to process, offsets do not.
/// NOTE: wire structure.
struct Token {
  std::uint64_t module;  ///< First 8 bytes of the module's GNU build-id, or a hash of its code when it has none.
  std::uint64_t offset;  ///< From where the module is loaded. {0, 0} is the null pointer.
};
static_assert(sizeof(Token) == 16 && std::is_trivially_copyable_v<Token>);

/// Throws `NotShippable` for an address that lies in no module (generated code). Any thread, also after fork.
Token token_of(const void* function);
/// Throws `EncodingError` when this process has no such module or the offset is not in its code. Any thread, also
/// after fork. A module whose code is named by tokens must stay loaded.
const void* resolve(Token token);
/// Of the program itself: equal in two processes exactly if they run the same build.
std::uint64_t main_module_id();

/// A pointer to a member function as the Itanium C++ ABI has it: a function, or a place in the vtable, and what to add
/// to `this`.
/// NOTE: wire structure.
struct MemberToken {
  Token code;               ///< Of a non-virtual function; for a virtual one {0, the raw word}.
  std::int64_t adjustment;  ///< The raw second word.
};
static_assert(sizeof(MemberToken) == 24 && std::is_trivially_copyable_v<MemberToken>);

MemberToken member_token_of(const void* pointer_to_member);
void resolve_member(MemberToken token, void* pointer_to_member);

template <class T>
inline constexpr bool is_function_pointer_v = std::is_pointer_v<T>&& std::is_function_v<std::remove_pointer_t<T>>;

/// Pointers that travel as tokens. Pointers to data members are offsets already.
template <class T>
inline constexpr bool is_code_pointer_v = is_function_pointer_v<T> || std::is_member_function_pointer_v<T>;

template <class T>
using CodePointer = std::conditional_t<is_function_pointer_v<T>, Token, MemberToken>;

template <class T>
CodePointer<T> to_code_pointer(T pointer) {
  if constexpr (is_function_pointer_v<T>) {
    return pointer == nullptr ? Token{0, 0} : token_of(reinterpret_cast<const void*>(pointer));
  } else {
    static_assert(sizeof(T) == 2 * sizeof(void*), "ipc: pointers to members are not those of the Itanium C++ ABI");
    return member_token_of(&pointer);
  }
}

template <class T>
T from_code_pointer(CodePointer<T> code) {
  if constexpr (is_function_pointer_v<T>) {
    if (code.module == 0 && code.offset == 0) return nullptr;
    return reinterpret_cast<T>(reinterpret_cast<std::uintptr_t>(resolve(code)));
  } else {
    T pointer = nullptr;
    resolve_member(code, &pointer);
    return pointer;
  }
}

}  // namespace ipc::detail
