#pragma once

#include <cstddef>

namespace ipc::os {

/// How much of a file exists, and how much of that has memory behind it. For memfds and files in /dev/shm; any thread.

/// Makes the file at least `size` bytes long; what is new reads as zeros and has no memory yet. Never shrinks.
/// Throws `std::system_error` (ENOMEM, EFBIG…).
void extend_file(int fd, std::size_t size);

/// Puts memory behind [offset, offset + size), contents unchanged, so that writing there through a mapping cannot end in
/// SIGBUS for want of it. Throws `std::system_error` (ENOSPC, ENOMEM); some of it may have its memory then.
void reserve_space(int fd, std::size_t offset, std::size_t size);

/// Takes the memory behind [offset, offset + size) away again, for everybody who maps it; it reads as zeros afterwards. Whole
/// pages only. What the kernel cannot give back stays.
void discard_space(int fd, std::size_t offset, std::size_t size) noexcept;

/// How many bytes of memory stand behind the file. Throws `std::system_error`.
std::size_t space_in_use(int fd);

}  // namespace ipc::os
