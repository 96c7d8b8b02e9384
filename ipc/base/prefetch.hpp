#pragma once

namespace ipc::base {

/// Fetches the cache line at `at` for somebody who is about to write there, away from whoever has it. A hint: any address will do.
inline void prefetch_to_write(const void* at) noexcept {
#if defined(__x86_64__)
  // SUBTLE: without options for newer processors a compiler makes of its own builtin a fetch for reading, and the line's
  // readers would have to be told at the moment of the write. Every processor takes this instruction; old ones do nothing.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace ipc::base
