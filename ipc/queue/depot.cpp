#include "ipc/queue/depot.hpp"

#include <cerrno>
#include <chrono>
#include <system_error>
#include <thread>
#include <utility>

#include <ipc/detail/deadline.hpp>

#include "ipc/base/kill_point.hpp"
#include "ipc/os/current.hpp"
#include "ipc/os/held_byte.hpp"
#include "ipc/os/pidfd.hpp"
#include "ipc/queue/hold.hpp"

namespace ipc::queues {
namespace {

// In front of the bytes by which shm/names.hpp and hands.cpp hold the file.
constexpr std::uint64_t life_byte = std::uint64_t{1} << 60;
constexpr auto longest_end = std::chrono::milliseconds(100);

/// Pids of Linux have 22 bits; descriptors' numbers may have more than these, and are then not noted.
struct Holder {
  static constexpr unsigned bits = 21;
  static constexpr std::uint64_t most = (std::uint64_t{1} << bits) - 1;

  std::uint64_t pid;
  std::uint64_t send;
  std::uint64_t receive;

  static constexpr Holder of(std::uint64_t word) noexcept { return {word >> (2 * bits), word >> bits & most, word & most}; }
  constexpr std::uint64_t word() const noexcept { return pid << (2 * bits) | send << bits | receive; }
};

/// That descriptor of that process, if it means `id` there.
Fd fetch_if(int pidfd, std::uint64_t number, os::FileId id) {
  Fd fd = os::fetch_descriptor(pidfd, static_cast<int>(number));
  if (fd && os::file_facts(fd.get()).id != id) fd.reset();
  return fd;
}

bool is_gone(std::uint64_t pid) noexcept {
  try {
    return !os::open_pidfd(static_cast<pid_t>(pid));
  } catch (const std::system_error&) {
    return false;
  }
}

}  // namespace

Freight::Ends DepotWords::fetch() const {
  for (const auto& word : holders) {
    const Holder holder = Holder::of(word.load(std::memory_order_relaxed));
    if (holder.pid == 0) continue;
    const Fd pidfd = os::open_pidfd(static_cast<pid_t>(holder.pid));
    if (!pidfd) continue;
    Freight::Ends ends{fetch_if(pidfd.get(), holder.send, send), fetch_if(pidfd.get(), holder.receive, receive), {}};
    if (ends.send && ends.receive) return ends;
  }
  return {};
}

Freight::Ends DepotWords::enter(int file) {
  Fd life = os::reopen(file);
  if (!life) throw std::system_error(errno, std::generic_category(), "open a queue's file once more");
  const Hold hold(lock);
  Freight::Ends ends;
  // A holder that is just ending may have closed its sockets, and not its `life` yet, or the other way round.
  for (const auto patience = detail::Deadline::after(longest_end);;) {
    if (os::try_seize_byte(life.get(), life_byte)) {
      ends = Freight::make();
      send = os::file_facts(ends.send.get()).id;
      receive = os::file_facts(ends.receive.get()).id;
      break;
    }
    ends = fetch();
    if (ends.send) break;
    if (patience.expired()) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  IPC_KILL_POINT("queue.depot.before_share");
  // Who has seized it holds the lock above: nobody waits here.
  os::share_byte(life.get(), life_byte);
  ends.life = std::move(life);
  note(ends);
  IPC_KILL_POINT("queue.depot.entered");
  return ends;
}

void DepotWords::note(const Freight::Ends& ends) noexcept {
  leave();
  const auto send_number = static_cast<std::uint64_t>(ends.send.get());
  const auto receive_number = static_cast<std::uint64_t>(ends.receive.get());
  if (send_number > Holder::most || receive_number > Holder::most) return;
  const std::uint64_t ours = Holder{static_cast<std::uint64_t>(os::process_id()), send_number, receive_number}.word();
  // Relaxed: hints.
  for (auto& holder : holders) {
    std::uint64_t none = 0;
    if (holder.compare_exchange_strong(none, ours, std::memory_order_relaxed)) return;
  }
  for (auto& holder : holders) {
    std::uint64_t other = holder.load(std::memory_order_relaxed);
    if (is_gone(Holder::of(other).pid) && holder.compare_exchange_strong(other, ours, std::memory_order_relaxed)) return;
  }
}

void DepotWords::leave() noexcept {
  const auto pid = static_cast<std::uint64_t>(os::process_id());
  for (auto& holder : holders) {
    std::uint64_t word = holder.load(std::memory_order_relaxed);
    if (Holder::of(word).pid == pid) holder.compare_exchange_strong(word, 0, std::memory_order_relaxed);
  }
}

}  // namespace ipc::queues
