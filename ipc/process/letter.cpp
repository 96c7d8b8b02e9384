#include "ipc/process/letter.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "ipc/os/mapping.hpp"
#include "ipc/os/memfd.hpp"
#include "ipc/os/poll.hpp"
#include "ipc/os/socket.hpp"

namespace ipc::process {
namespace {

// NOTE: wire structure: the first bytes of a letter's first packet. Then come the head and, unless it is in a memfd (the
// first descriptor), the body. Packets that follow with more descriptors consist of one zero byte, never of this.
struct Envelope {
  std::uint64_t magic;
  std::uint64_t body_size;
  std::uint32_t head_size;
  std::uint32_t fd_count;  // Without the memfd.
  std::uint32_t body_in_memfd;
  std::uint32_t reserved;
};
static_assert(sizeof(Envelope) == 32 && std::is_trivially_copyable_v<Envelope>);

constexpr std::uint64_t magic = 0x69'70'63'2d'62'6f'72'6e;  // "ipc-born"
constexpr std::size_t max_packet = 32 * 1024;               // Well below the socket buffer, so that sending does not block.
constexpr std::size_t max_fds = 253;                        // Of one packet.

std::optional<os::ReceivedPacket> receive(int socket, int sender_pidfd, std::span<std::byte> buffer, std::vector<Fd>& fds) {
  for (;;) {
    const auto packet = os::receive_packet(socket, buffer, fds, sender_pidfd < 0);
    if (packet.status == os::ReceiveStatus::received) return packet;
    if (packet.status == os::ReceiveStatus::closed) return std::nullopt;
    std::array<os::PollEntry, 2> entries{os::PollEntry{.fd = socket}, os::PollEntry{.fd = sender_pidfd}};
    os::poll(entries, detail::Deadline::never());
    if (entries[1].ready && !entries[0].ready) return std::nullopt;
  }
}

}  // namespace

bool send_letter(int socket, std::span<const std::byte> head, std::span<const std::byte> body, std::span<const Fd> fds) {
  const bool in_memfd = sizeof(Envelope) + head.size() + body.size() > max_packet;
  const Envelope envelope{magic, body.size(), static_cast<std::uint32_t>(head.size()), static_cast<std::uint32_t>(fds.size()), in_memfd, 0};
  std::vector<std::byte> packet(sizeof envelope + head.size() + (in_memfd ? 0 : body.size()));
  std::memcpy(packet.data(), &envelope, sizeof envelope);
  std::copy(head.begin(), head.end(), packet.begin() + sizeof envelope);

  std::vector<int> numbers;
  numbers.reserve(fds.size() + 1);
  Fd memory;
  if (in_memfd) {
    memory = os::make_memfd("ipc-letter", body.size());
    os::Mapping mapping(memory.get(), body.size());
    std::memcpy(mapping.data(), body.data(), body.size());
    numbers.push_back(memory.get());
  } else {
    std::copy(body.begin(), body.end(), packet.begin() + static_cast<std::ptrdiff_t>(sizeof envelope + head.size()));
  }
  for (const Fd& fd : fds) numbers.push_back(fd.get());

  std::span<const int> rest(numbers);
  std::span<const std::byte> bytes(packet);
  constexpr std::byte filler{};
  do {
    const auto part = rest.first(std::min(rest.size(), max_fds));
    const auto status = os::send_packet(socket, bytes, part);
    if (status == os::SendStatus::closed) return false;
    if (status == os::SendStatus::would_block) throw std::system_error(ENOBUFS, std::generic_category(), "sendmsg");
    rest = rest.subspan(part.size());
    bytes = std::span(&filler, 1);
  } while (!rest.empty());
  return true;
}

std::optional<Letter> receive_letter(int socket, int sender_pidfd) {
  Bytes buffer(max_packet);
  Letter letter;
  std::vector<Fd>& fds = letter.body.fds;
  Envelope envelope{};
  for (;;) {
    const auto packet = receive(socket, sender_pidfd, buffer, fds);
    if (!packet) return std::nullopt;
    if (packet->size >= sizeof envelope) {
      std::memcpy(&envelope, buffer.data(), sizeof envelope);
      const std::uint64_t here = packet->size - sizeof envelope;
      const bool fits = envelope.head_size <= here && (envelope.body_in_memfd != 0 || envelope.body_size == here - envelope.head_size);
      if (envelope.magic == magic && fits) break;
    }
    fds.clear();  // What is left of a letter that this process could not take.
  }
  const std::byte* head = buffer.data() + sizeof envelope;
  letter.head.assign(head, head + envelope.head_size);
  const std::size_t expected_fds = envelope.fd_count + (envelope.body_in_memfd != 0 ? 1u : 0u);
  while (fds.size() < expected_fds) {
    std::array<std::byte, 1> more{};
    if (!receive(socket, sender_pidfd, more, fds)) return std::nullopt;
  }
  if (envelope.body_in_memfd != 0) {
    const os::Mapping mapping(fds.front().get(), envelope.body_size, false);
    letter.body.bytes.assign(mapping.data(), mapping.data() + mapping.size());
    fds.erase(fds.begin());
  } else {
    letter.body.bytes.assign(head + envelope.head_size, head + envelope.head_size + envelope.body_size);
  }
  return letter;
}

}  // namespace ipc::process
