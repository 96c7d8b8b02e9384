#pragma once

#include <cstdint>

#include <ipc/detail/served.hpp>

namespace ipc::manager {

/// What stands behind the header of a connection's first message. NOTE: wire structure.
struct Greeting {
  static constexpr std::uint64_t expected = 0x31'72'67'6d'63'70'69'7f;  // "\x7fipcmgr1"
  std::uint64_t magic = expected;
  detail::ServerId session{};  ///< Which client this is a connection of; new where it is not known.
  detail::ServerId copied{};   ///< A new session begins with this one's references. Zeros: with none.
  detail::ObjectId lease = 0;  ///< One more reference to this. Zero: none.
};
static_assert(sizeof(Greeting) == 48);

}  // namespace ipc::manager
