#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <ipc/fd.hpp>

namespace ipc::os {

/// What to be told about a descriptor. Its hang-up is always told.
enum class Interest : unsigned char { none, readable, writable };

/// Many descriptors to wait for through one, which is readable when one of them is ready. Level-triggered. Close-on-exec.
/// SUBTLE: the kernel watches open files, not descriptors: what is watched must be removed before it is closed, because a
/// forked process may hold it open; and a forked process must make an Epoll of its own.
class Epoll {
 public:
  Epoll();
  /// `tag` tells it apart; any number.
  void add(int fd, std::uint64_t tag, Interest interest = Interest::readable);
  void change(int fd, std::uint64_t tag, Interest interest);
  void remove(int fd) noexcept;
  /// Writes the tags of those that are ready to `tags`; returns how many. Waits for the first if `block`; signals do not
  /// end the wait.
  std::size_t wait(std::span<std::uint64_t> tags, bool block);
  int fd() const noexcept { return fd_.get(); }

 private:
  Fd fd_;
};

}  // namespace ipc::os
