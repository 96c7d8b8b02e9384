#pragma once

#include <cerrno>
#include <system_error>

namespace ipc::os {

/// The one gate for system calls that fail by returning -1: repeats `call` while a signal interrupts it and throws
/// `std::system_error` naming `name` otherwise. Returns what the call returned.
template <class Call>
auto check(const char* name, Call call) -> decltype(call()) {
  for (;;) {
    const auto result = call();
    if (result != static_cast<decltype(result)>(-1)) return result;
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), name);
  }
}

/// As `check`, for calls whose failure is an outcome: returns -1 with `errno` set, after repeating interrupted calls.
template <class Call>
auto retry(Call call) -> decltype(call()) {
  for (;;) {
    const auto result = call();
    if (result != static_cast<decltype(result)>(-1) || errno != EINTR) return result;
  }
}

}  // namespace ipc::os
