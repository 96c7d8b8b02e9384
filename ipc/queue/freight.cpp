#include "ipc/queue/freight.hpp"

#include <utility>

#include "ipc/os/socket.hpp"

namespace ipc::queues {
namespace {

constexpr std::size_t wanted_room = std::size_t{16} << 20;

}  // namespace

Freight::Ends Freight::make() {
  auto [send, receive] = os::packet_socket_pair();
  os::set_send_room(send.get(), wanted_room);
  return {std::move(send), std::move(receive), {}};
}

bool Freight::load(std::uint64_t number, std::span<const Fd> fds) const {
  std::vector<int> numbers;
  numbers.reserve(fds.size());
  for (const Fd& fd : fds) numbers.push_back(fd.get());
  // Nobody closes the receiving end while we have it ourselves.
  return os::send_packet(ends_.send.get(), std::as_bytes(std::span(&number, 1)), numbers, false) == os::SendStatus::sent;
}

std::optional<std::vector<Fd>> Freight::look(std::uint64_t number) const {
  std::uint64_t next = 0;
  const auto into = std::as_writable_bytes(std::span(&next, 1));
  while (os::peek_bytes(ends_.receive.get(), into).status == os::ReceiveStatus::received && next < number) drop();
  std::vector<Fd> fds;
  if (next == number && os::peek_packet(ends_.receive.get(), into, fds).status == os::ReceiveStatus::received) return fds;
  return std::nullopt;
}

void Freight::drop() const noexcept { os::drop_packet(ends_.receive.get()); }

void Freight::drop_all() const noexcept {
  while (os::drop_packet(ends_.receive.get())) {
  }
}

}  // namespace ipc::queues
