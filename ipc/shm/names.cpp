#include "ipc/shm/names.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <system_error>

#include <ipc/unlink.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/base/scope_exit.hpp"
#include "ipc/os/at_fork.hpp"
#include "ipc/os/held_byte.hpp"
#include "ipc/os/named_file.hpp"

namespace ipc::shm {
namespace {

constexpr const char* directory = "/dev/shm";
constexpr std::string_view object_prefix = "ipc.";
constexpr std::string_view automatic_prefix = "psm_";  // As CPython makes them up.
constexpr std::size_t longest_file_name = 255;

// Far behind the bytes that an arena uses, and any content.
constexpr std::uint64_t life_byte = std::uint64_t{1} << 62;  ///< Shared by all who have the file open; seized to find it stale.
constexpr std::uint64_t name_byte = life_byte + 1;           ///< Seized to take the name away.

/// Held over fork, and as long as a file is open of which a byte may be seized: a child that inherited it, and with it the lock,
/// would keep everybody else waiting for as long as it lives, should this process be killed just then.
std::mutex& fork_guard() {
  static std::mutex& mutex = *new std::mutex();
  static const bool registered = [] {
    os::at_fork([] { fork_guard().lock(); }, [] { fork_guard().unlock(); }, [] { fork_guard().unlock(); });
    return true;
  }();
  static_cast<void>(registered);
  return mutex;
}

[[noreturn]] void refuse(std::string_view name, const char* why) {
  throw std::invalid_argument("\"" + std::string(name.substr(0, std::min<std::size_t>(name.find('\0'), 80))) +
                              "\" cannot be the name of shared memory: " + why);
}

[[noreturn]] void fail(int error, const Name& name) {
  throw std::system_error(error, std::generic_category(), "shared memory named \"" + name.text() + "\"");
}

bool has_name(const std::string& path, os::FileId file) { return os::file_at(path) == file; }

/// `fd` is an open file of `file` that nobody else has; closing it lets the byte go.
bool remove_if_named(const std::string& path, int fd, os::FileId file) {
  os::seize_byte(fd, name_byte);
  if (!has_name(path, file)) return false;
  IPC_KILL_POINT("names.removing");
  const bool removed = os::remove_name(path);
  IPC_KILL_POINT("names.removed");
  return removed;
}

/// Takes the name from a stale file, which is to be closed then; false when the file, of which nobody here has the life yet, is
/// not stale. Under the fork guard.
bool bury_if_stale(const std::string& path, int fd) {
  if (!os::has_file_mark(fd)) return false;
  if (!os::try_seize_byte(fd, life_byte)) return false;
  const base::ScopeExit let_go([&] { os::let_byte_go(fd, life_byte); });
  if (!os::has_file_mark(fd)) return false;  // The creator left in order a moment ago: first the mark goes, then the lock.
  IPC_KILL_POINT("names.stale");
  remove_if_named(path, fd, os::file_facts(fd).id);
  return true;
}

/// Whether nothing stands in the name's way any more.
bool make_room(const Name& name) {
  const std::lock_guard no_fork(fork_guard());
  try {
    const Fd other = os::open_file(name.path());
    return !other || bury_if_stale(name.path(), other.get());
  } catch (const std::system_error& error) {
    if (error.code() == std::errc::permission_denied) return false;  // Another user's.
    throw;
  }
}

/// Takes away the stale ones among all names of objects and automatic names of memory: nobody may ever ask for those again.
void sweep_all() noexcept {
  try {
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
      const std::string file = entry.path().filename();
      if (!file.starts_with(object_prefix) && !file.starts_with(automatic_prefix)) continue;
      const std::lock_guard no_fork(fork_guard());
      try {
        const Fd fd = os::open_file(entry.path());
        if (fd) bury_if_stale(entry.path(), fd.get());
      } catch (const std::system_error&) {
        // Another user's, or no file at all.
      }
    }
  } catch (const std::exception&) {
    // It is only a service to others.
  }
}

/// Looks at all names every now and then: so seldom that it costs nothing, in a process that makes many as well.
void sweep_now_and_then() noexcept {
  static std::atomic<std::uint64_t> made{0};
  if (std::has_single_bit(made.fetch_add(1, std::memory_order_relaxed) + 1)) sweep_all();
}

/// What has the name, with its life; empty when there is nothing.
Fd find(const Name& name) {
  for (;;) {
    const std::lock_guard no_fork(fork_guard());
    Fd fd = os::open_file(name.path());
    if (!fd) return fd;
    if (bury_if_stale(name.path(), fd.get())) continue;
    os::share_byte(fd.get(), life_byte);
    IPC_KILL_POINT("names.held");
    // It may have been found stale, or removed, before its life was ours.
    if (has_name(name.path(), os::file_facts(fd.get()).id)) return fd;
  }
}

}  // namespace

Name::Name(std::string_view name) : Name(name, object_prefix) {}
Name Name::of_memory(std::string_view name) { return {name, ""}; }

Name::Name(std::string_view text, std::string_view prefix) : text_(text) {
  if (text.empty()) refuse(text, "it is empty.");
  if (text.find('/') != std::string_view::npos) refuse(text, "it has a '/' in it, and names are in no folders.");
  if (text.find('\0') != std::string_view::npos) refuse(text, "it has a NUL character in it.");
  if (prefix.empty() && (text == "." || text == "..")) refuse(text, "it means a folder.");
  if (prefix.size() + text.size() > longest_file_name) {
    refuse(text, ("it is longer than " + std::to_string(longest_file_name - prefix.size()) + " bytes.").c_str());
  }
  path_.append(directory).append("/").append(prefix).append(text);
}

Fd create_named(const Name& name, std::size_t size, const std::function<void(const Fd&)>& build) {
  sweep_now_and_then();
  os::NamelessFile file(directory, size);
  const int fd = file.fd().get();
  build(file.fd());
  os::share_byte(fd, life_byte);
  os::set_file_mark(fd, true);  // Where there are no marks no name is ever stale.
  IPC_KILL_POINT("names.built");
  while (!file.link(name.path())) {
    if (!make_room(name)) fail(EEXIST, name);
  }
  IPC_KILL_POINT("names.linked");
  return file.take();
}

Fd open_named(const Name& name) {
  Fd fd = find(name);
  if (!fd) fail(ENOENT, name);
  return fd;
}

Opened open_or_create_named(const Name& name, std::size_t size, const std::function<void(const Fd&)>& build) {
  for (;;) {
    if (Fd fd = find(name)) return {std::move(fd), false};
    try {
      return {create_named(name, size, build), true};
    } catch (const std::system_error& error) {
      if (error.code() != std::errc::file_exists) throw;
    }
  }
}

void hold_named(int fd) { os::share_byte(fd, life_byte); }
void leave_named(int fd) noexcept { os::set_file_mark(fd, false); }

void remove_named(const Name& name) {
  for (;;) {
    const std::lock_guard no_fork(fork_guard());
    const Fd fd = os::open_file(name.path());
    if (!fd) fail(ENOENT, name);
    if (remove_if_named(name.path(), fd.get(), os::file_facts(fd.get()).id)) return;
  }
}

bool remove_named(const Name& name, int fd) {
  // By an open file of one's own: duplicates in other processes could seize at the same time.
  const std::lock_guard no_fork(fork_guard());
  const Fd own = os::open_file(name.path());
  const os::FileId file = os::file_facts(fd).id;
  return own && os::file_facts(own.get()).id == file && remove_if_named(name.path(), own.get(), file);
}

void prepare_names() { fork_guard(); }

}  // namespace ipc::shm

namespace ipc {

void unlink(std::string_view name) { shm::remove_named(shm::Name(name)); }

}  // namespace ipc
