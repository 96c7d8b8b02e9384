#pragma once

namespace ipc::base {

/// Has the processor fetch a line that will be written, taking it away from whoever has it, while this thread goes on.
inline void fetch_for_writing(const void* at) noexcept {
#if defined(__x86_64__)
  // Compilers use this only where they are told that there is such an instruction; older processors take it for no operation.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace ipc::base
