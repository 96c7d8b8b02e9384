#pragma once

#include <cstddef>
#include <cstdint>

#include <ipc/fd.hpp>

namespace ipc::os {

/// Liveness by the kernel's books: a lock on one byte of a file that belongs to an *open file* (F_OFD_SETLK), and so lasts
/// exactly as long as any descriptor of that open file does: in the process that took it, in one that inherited it, or in
/// a message under way. Nothing can forget to give it back, no pid is involved, and it works before a new process has run.
/// NOTE: The byte's number is only a name; the file need not have it.

/// Opens the file behind `fd` once more: an open file of its own, without the locks of the other. Close-on-exec; empty when
/// that is impossible (no /proc here, or no descriptor left).
Fd reopen(int fd) noexcept;

/// Opens the file behind `fd` once more and locks byte `number`. `taken`: somebody has it. `unavailable`: the file
/// cannot be opened again (no /proc here, or no descriptor left).
enum class HoldResult { held, taken, unavailable };
struct Hold {
  HoldResult result = HoldResult::unavailable;
  Fd fd;  ///< Close-on-exec; its last duplicate carries the lock to its end.
};
Hold hold_byte(int fd, std::uint64_t number) noexcept;

/// Whether somebody holds byte `number`; `fd` must not be of a holder's own open file.
bool is_byte_held(int fd, std::uint64_t number) noexcept;

/// The same locks, taken on the open file behind `fd` itself; it keeps them when it had them.
/// Shares byte `number` with any number of others; waits while somebody has seized it. Throws `std::system_error`.
void share_byte(int fd, std::uint64_t number);
/// Byte `number` for this open file alone; waits while others hold or share it. Throws `std::system_error`.
void seize_byte(int fd, std::uint64_t number);
/// As `seize_byte`, but false at once when others hold or share it.
bool try_seize_byte(int fd, std::uint64_t number);
/// Gives it back.
void let_byte_go(int fd, std::uint64_t number) noexcept;

}  // namespace ipc::os
