#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <ipc/fd.hpp>

namespace ipc::shm {

/// A name for shared memory that unrelated processes agree on, checked: a file in /dev/shm, where shm_open(3) has its own.
/// A value.
class Name {
 public:
  /// Of an object of this library: the file "ipc." + `name`. All kinds of objects share one set of names, so that opening
  /// one as another kind is found out. Throws `std::invalid_argument` with a sentence when `name` is empty, longer than a file
  /// name can be, or has '/' or NUL in it.
  explicit Name(std::string_view name);
  /// Of memory without any structure of ours: the file `name`, as CPython's `SharedMemory` has it.
  static Name of_memory(std::string_view name);

  /// As the user knows it.
  const std::string& text() const noexcept { return text_; }
  /// Of the file.
  const std::string& path() const noexcept { return path_; }

 private:
  Name(std::string_view text, std::string_view prefix);

  std::string text_;
  std::string path_;
};

/// The life of a name.
///
/// Nobody opens half an object: a file is made without a name, filled, and linked to its name when it is complete.
///
/// Every process that has a named file open holds a lock on it (os/held_byte.hpp), which goes with the process however it
/// ends, and a file carries a mark (os::set_file_mark) until its creator leaves in order. A file with the mark that nobody
/// holds any more is *stale*: its creator was killed. It is as good as gone: `create_named` replaces it, `open_named` does
/// not find it, and whoever comes across it first takes the name away; processes that make named files look for stale ones
/// every now and then. A file without the mark keeps its name until
/// `remove_named`, as POSIX has it.
///
/// Liveness is the lock, and not a pid: containers that share /dev/shm need not share pids, and those who only opened an
/// object keep it alive, too.
///
/// Who takes a name away does so holding a lock on the very file that the name means, and after looking that it still does.
/// So of several who find a file stale one takes it away, and nobody takes away what has come in its place. (Whoever
/// removes files in /dev/shm by other means does not ask for that lock.) A file that is opened is looked at again after
/// its lock has been had.
///
/// If a process is killed: making, before the file is linked, it is gone with it; after, it is complete, and stale unless
/// somebody holds it. Removing: the name is there or not. The locks go with it.
///
/// Any thread of any process, and all may throw `std::system_error`. A file must have been written by a process of this
/// library's very layout; what is in it, the caller checks.

/// Makes a file of `size` zeroed bytes, lets `build` fill it, and gives it the name; `std::system_error` (EEXIST) when that
/// is taken and not stale. The descriptor holds the file's life, as its duplicates and what is forked with it do.
/// Mode 0600 minus the umask.
Fd create_named(const Name& name, std::size_t size, const std::function<void(const Fd&)>& build);
/// Opens what has the name; `std::system_error` (ENOENT) when there is nothing, or only something stale.
Fd open_named(const Name& name);
/// Opens what has the name, or makes it, whoever else does the same at the same time: all get the same one.
struct Opened {
  Fd fd;
  bool created = false;
};
Opened open_or_create_named(const Name& name, std::size_t size, const std::function<void(const Fd&)>& build);
/// For a file that came without its name: from here on `fd` holds its life as well.
void hold_named(int fd);
/// The creator leaves in order: the name persists.
void leave_named(int fd) noexcept;
/// Takes the name away; who has the file open keeps it. `std::system_error` (ENOENT) when there is none.
void remove_named(const Name& name);
/// Takes the name away if it still means this file; whether it did.
bool remove_named(const Name& name, int fd);

/// Registers what must happen at fork. Who calls these functions under a mutex that is held over fork calls this before
/// registering that. (Who does not may leave a descriptor, and with it a file's life, in a child that is forked just then.)
void prepare_names();

}  // namespace ipc::shm
