#include <ipc/detail/callable.hpp>

#include <cstring>

#include <ipc/error.hpp>

namespace ipc::detail {

[[gnu::noinline]] void run_call(Reader& input, Writer& output) {
  const auto token = input.raw<Token>();
  const auto thunk = reinterpret_cast<Thunk>(reinterpret_cast<std::uintptr_t>(resolve(token)));
  thunk(input, output);
  // SUBTLE: something comes after it, so that it is called and not jumped to: by this frame it is known where a backtrace ends.
  asm volatile("");
}

std::string not_shippable_sentence(const std::string& type, bool wraps_any_callable) {
  if (wraps_any_callable) {
    return "`" + type +
           "` cannot be shipped to a process that was not forked for it: what it holds is not part of its type. "
           "Pass the function or lambda itself.";
  }
  return "`" + type +
         "` cannot be shipped to a process that was not forked for it: it captures or contains something that is not trivially copyable "
         "(a std::string, a container, a smart pointer, a shared handle), and it has no `serialize` function. Pass that data as arguments "
         "of the "
         "call instead of capturing it, or make it a function object with `template <class Archive> void serialize(Archive& ar, "
         "unsigned)`.";
}

void refuse_stack_addresses(const void* object, std::size_t size, const char* type) {
  // From this function's frame upwards: all its callers' locals are above. Far enough for the frames between a lambda and its use, and a
  // range so small that a captured number is in it about once in 10^7 times 2^20.
  constexpr std::uintptr_t reach = std::uintptr_t{1} << 20;
  const auto lowest = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
  for (std::size_t at = 0; at + sizeof(std::uintptr_t) <= size; at += sizeof(std::uintptr_t)) {
    std::uintptr_t word = 0;
    std::memcpy(&word, static_cast<const std::byte*>(object) + at, sizeof word);
    if (word - lowest < reach) {
      throw NotShippable(
          "`" + demangle(type) +
          "` captures a reference or pointer to a local variable, which another process does not have. Capture by value, or pass "
          "the data as arguments of the call.");
    }
  }
}

}  // namespace ipc::detail
