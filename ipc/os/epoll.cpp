#include "ipc/os/epoll.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>

#include "ipc/os/check.hpp"

namespace ipc::os {
namespace {

epoll_event event_of(std::uint64_t tag, Interest interest) {
  epoll_event event{};
  event.events = interest == Interest::readable ? EPOLLIN : interest == Interest::writable ? EPOLLOUT : 0U;
  event.data.u64 = tag;
  return event;
}

}  // namespace

Epoll::Epoll() : fd_(check("epoll_create1", [] { return ::epoll_create1(EPOLL_CLOEXEC); })) {}

void Epoll::add(int fd, std::uint64_t tag, Interest interest) {
  epoll_event event = event_of(tag, interest);
  check("epoll_ctl(ADD)", [&] { return ::epoll_ctl(fd_.get(), EPOLL_CTL_ADD, fd, &event); });
}

void Epoll::change(int fd, std::uint64_t tag, Interest interest) {
  epoll_event event = event_of(tag, interest);
  check("epoll_ctl(MOD)", [&] { return ::epoll_ctl(fd_.get(), EPOLL_CTL_MOD, fd, &event); });
}

void Epoll::remove(int fd) noexcept { ::epoll_ctl(fd_.get(), EPOLL_CTL_DEL, fd, nullptr); }

std::size_t Epoll::wait(std::span<std::uint64_t> tags, bool block) {
  std::array<epoll_event, 64> events;
  const int room = static_cast<int>(std::min(tags.size(), events.size()));
  const int count = check("epoll_wait", [&] { return ::epoll_wait(fd_.get(), events.data(), room, block ? -1 : 0); });
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) tags[i] = events[i].data.u64;
  return static_cast<std::size_t>(count);
}

}  // namespace ipc::os
