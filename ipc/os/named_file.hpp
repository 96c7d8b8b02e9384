#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include <ipc/fd.hpp>

#include "ipc/os/memfd.hpp"

namespace ipc::os {

/// A file that nobody can open yet, in the directory where it will get a name. One thread at a time.
/// If the process is killed: the kernel frees it. (Only where a file system has no O_TMPFILE, which Linux's tmpfs has, the
/// file has a name of its own from the beginning, which is left behind.)
class NamelessFile {
 public:
  /// `automatic` asks for O_TMPFILE and makes do without it. Mode 0600 minus the umask, close-on-exec, `size` zeroed bytes.
  /// Throws `std::system_error`; ENOSPC at once where the file system could not hold them, so that nobody dies of SIGBUS later.
  enum class Way { automatic, temporary_name };
  NamelessFile(const std::string& directory, std::size_t size, Way way = Way::automatic);
  NamelessFile(const NamelessFile&) = delete;
  NamelessFile& operator=(const NamelessFile&) = delete;
  ~NamelessFile();

  const Fd& fd() const noexcept { return fd_; }
  /// Gives it the name `path`, in one step; false when that is taken. Throws `std::system_error`.
  bool link(const std::string& path) const;
  /// The descriptor; what has no name yet goes with it.
  Fd take() noexcept;

 private:
  Fd fd_;
  std::string temporary_;  ///< Empty with O_TMPFILE.
};

/// Opens an existing file for reading and writing, close-on-exec, no symbolic link; empty when there is none.
/// Throws `std::system_error`.
Fd open_file(const std::string& path);
/// Which file has that name; nothing when none has. Throws `std::system_error`.
std::optional<FileId> file_at(const std::string& path);
/// Takes the name away; false when there is none. Throws `std::system_error`.
bool remove_name(const std::string& path);

/// One bit that stays with a file, whatever is written to it, and that nobody else uses: the kernel's hint for how long
/// written data live (F_SET_RW_HINT), which means nothing in memory. False where the kernel has none.
bool set_file_mark(int fd, bool on) noexcept;
bool has_file_mark(int fd) noexcept;

}  // namespace ipc::os
