#pragma once

#include <cstddef>

#include <ipc/detail/writer.hpp>

namespace ipc::manager {

/// Of each of the two rings of a client on this machine. They are small, so that they stay in the processor's caches.
inline constexpr std::size_t ring_capacity = std::size_t{1} << 16;

/// Whether a message between such a client and the server goes through the rings. Both sides must agree.
inline bool fits_rings(const detail::Writer& message) noexcept { return message.size() <= ring_capacity / 2 && message.fds().empty(); }

}  // namespace ipc::manager
