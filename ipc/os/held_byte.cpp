#include "ipc/os/held_byte.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstdio>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

struct flock one_byte(std::uint64_t number, short type = F_WRLCK) noexcept {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  range.l_start = static_cast<off_t>(number);
  range.l_len = 1;
  return range;
}

}  // namespace

Fd reopen(int fd) noexcept {
  char path[32];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  return Fd(retry([&] { return ::open(path, O_RDWR | O_CLOEXEC); }));
}

Hold hold_byte(int fd, std::uint64_t number) noexcept {
  Fd second = reopen(fd);
  if (!second) return {};
  struct flock range = one_byte(number);
  if (retry([&] { return ::fcntl(second.get(), F_OFD_SETLK, &range); }) == 0) return {HoldResult::held, std::move(second)};
  return {errno == EAGAIN || errno == EACCES ? HoldResult::taken : HoldResult::unavailable, Fd()};
}

bool is_byte_held(int fd, std::uint64_t number) noexcept {
  struct flock range = one_byte(number);
  // A question that cannot be asked is answered on the safe side.
  return retry([&] { return ::fcntl(fd, F_OFD_GETLK, &range); }) != 0 || range.l_type != F_UNLCK;
}

void share_byte(int fd, std::uint64_t number) {
  struct flock range = one_byte(number, F_RDLCK);
  check("fcntl(F_OFD_SETLKW)", [&] { return ::fcntl(fd, F_OFD_SETLKW, &range); });
}

void seize_byte(int fd, std::uint64_t number) {
  struct flock range = one_byte(number);
  check("fcntl(F_OFD_SETLKW)", [&] { return ::fcntl(fd, F_OFD_SETLKW, &range); });
}

bool try_seize_byte(int fd, std::uint64_t number) {
  struct flock range = one_byte(number);
  if (retry([&] { return ::fcntl(fd, F_OFD_SETLK, &range); }) == 0) return true;
  if (errno == EAGAIN || errno == EACCES) return false;
  throw std::system_error(errno, std::generic_category(), "fcntl(F_OFD_SETLK)");
}

void let_byte_go(int fd, std::uint64_t number) noexcept {
  struct flock range = one_byte(number, F_UNLCK);
  retry([&] { return ::fcntl(fd, F_OFD_SETLK, &range); });
}

}  // namespace ipc::os
