#include "ipc/os/poll.hpp"

#include <poll.h>

#include <array>
#include <ctime>
#include <vector>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

std::size_t poll_into(std::span<PollEntry> entries, pollfd* fds, detail::Deadline deadline) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    fds[i] = {entries[i].fd, static_cast<short>(entries[i].for_writing ? POLLOUT : POLLIN), 0};
  }
  for (;;) {
    timespec left{};
    timespec* timeout = nullptr;
    if (!deadline.is_never()) {
      const auto remaining = deadline.remaining();
      const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(remaining);
      left.tv_sec = seconds.count();
      left.tv_nsec = (remaining - seconds).count();
      timeout = &left;
    }
    const int count = ::ppoll(fds, entries.size(), timeout, nullptr);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw std::system_error(errno, std::generic_category(), "ppoll");
    if (count == 0 && !deadline.expired()) continue;
    for (std::size_t i = 0; i < entries.size(); ++i) {
      entries[i].ready = fds[i].revents != 0;
      entries[i].hung_up = (fds[i].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
      entries[i].invalid = (fds[i].revents & POLLNVAL) != 0;
    }
    return static_cast<std::size_t>(count);
  }
}

}  // namespace

std::size_t poll(std::span<PollEntry> entries, detail::Deadline deadline) {
  std::array<pollfd, 32> few;
  if (entries.size() <= few.size()) return poll_into(entries, few.data(), deadline);
  std::vector<pollfd> many(entries.size());
  return poll_into(entries, many.data(), deadline);
}

bool wait_readable(int fd, detail::Deadline deadline) {
  std::array<PollEntry, 1> one{PollEntry{.fd = fd}};
  return poll(one, deadline) != 0;
}

}  // namespace ipc::os
