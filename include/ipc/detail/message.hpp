#pragma once

#include <vector>

#include <ipc/bytes.hpp>
#include <ipc/fd.hpp>

namespace ipc::detail {

/// An encoded value on its way: bytes, and the descriptors that travel beside them in the order of their use.
struct Message {
  Bytes bytes;
  std::vector<Fd> fds;
};

}  // namespace ipc::detail
