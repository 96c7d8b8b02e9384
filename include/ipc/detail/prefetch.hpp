#pragma once

namespace ipc::detail {

/// Has the processor fetch the cache line at `at`, and goes on. A hint: any address will do.
inline void prefetch_to_read([[maybe_unused]] const void* at) noexcept {
#if defined(__GNUC__)
  __builtin_prefetch(at, 0, 2);
#endif
}

/// The same for somebody who is about to write there: takes the line away from whoever has it.
inline void prefetch_to_write([[maybe_unused]] const void* at) noexcept {
#if defined(__x86_64__) && defined(__GNUC__)
  // SUBTLE: without options for newer processors a compiler makes of its own builtin a fetch for reading, and the line's
  // readers would have to be told at the moment of the write. Every processor takes this instruction; old ones do nothing.
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#elif defined(__GNUC__)
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace ipc::detail
