#pragma once

// IPC_THREAD_SANITIZER is defined in builds with ThreadSanitizer, which does not know fences, nor every call of the C library.
#if defined(__SANITIZE_THREAD__)
#define IPC_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define IPC_THREAD_SANITIZER 1
#endif
#endif
