#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

#include <ipc/fd.hpp>

namespace ipc::os {

/// Memory without a name in any file system: `size` zeroed bytes behind a close-on-exec descriptor, freed by the kernel
/// with the last descriptor and mapping of it, however their holders die. Pages exist once they are written.
/// It cannot shrink, so that no peer can take pages away from under our mappings (SIGBUS).
/// `name` is for /proc/PID/maps only. Throws `std::system_error`.
Fd make_memfd(const char* name, std::size_t size);

/// Which file a descriptor means, whatever its number and the process that asks.
struct FileId {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  friend auto operator<=>(const FileId&, const FileId&) = default;
};

struct FileFacts {
  FileId id;
  std::size_t size = 0;
};

/// Whether `fd` is memory that nobody can take pages away from, as `make_memfd` makes it.
bool cannot_shrink(int fd) noexcept;

/// fstat(2). Throws `std::system_error`.
FileFacts file_facts(int fd);

}  // namespace ipc::os
