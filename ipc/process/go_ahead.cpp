#include "ipc/process/go_ahead.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <system_error>
#include <vector>

#include "ipc/os/poll.hpp"
#include "ipc/os/socket.hpp"

namespace ipc::process {
namespace {

constexpr std::array<std::byte, 1> go{};

}  // namespace

void let_go(int end) {
  if (os::send_packet(end, go, {}) == os::SendStatus::would_block) throw std::system_error(ENOBUFS, std::generic_category(), "sendmsg");
}

bool may_go(const Fd& end, const Fd& giver_pidfd) {
  std::array<os::PollEntry, 2> entries{os::PollEntry{.fd = end.get()}, os::PollEntry{.fd = giver_pidfd.get()}};
  os::poll(entries, detail::Deadline::never());
  if (!entries[0].ready) return false;
  std::array<std::byte, 1> received{};
  std::vector<Fd> none;
  return os::receive_packet(end.get(), received, none).status == os::ReceiveStatus::received;
}

}  // namespace ipc::process
