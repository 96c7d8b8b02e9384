#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/detail/message.hpp>

namespace ipc::process {

/// What a new process is told over a packet socket: a head (who it is and what it runs) and a message for what it runs.
struct Letter {
  Bytes head;
  detail::Message body;
};

/// Sends a letter; its descriptors stay the sender's. False when the receiver is gone. The size is not limited: a body
/// that is too large for a packet travels in a memfd, and descriptors beyond a packet's 253 in further packets.
bool send_letter(int socket, std::span<const std::byte> head, std::span<const std::byte> body, std::span<const Fd> fds);

/// Receives the next letter. Nothing when the sender has closed the socket or `sender_pidfd` (unless -1) says that it
/// has died, which the socket alone does not tell while another process has inherited the sender's end.
/// Throws `std::system_error` when this process cannot take the descriptors; the next letter can be received then.
std::optional<Letter> receive_letter(int socket, int sender_pidfd = -1);

}  // namespace ipc::process
