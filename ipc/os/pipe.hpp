#pragma once

#include <cstddef>
#include <span>
#include <utility>

#include <ipc/fd.hpp>

namespace ipc::os {

/// A pipe: first reads, second writes. Both close-on-exec.
std::pair<Fd, Fd> make_pipe();

/// Reads until `out` is full or the end has come; returns how much was read.
std::size_t read_full(int fd, std::span<std::byte> out);
/// Writes everything. Throws `std::system_error`; a reader that is gone is EPIPE and, for a pipe, SIGPIPE.
void write_full(int fd, std::span<const std::byte> bytes);

}  // namespace ipc::os
