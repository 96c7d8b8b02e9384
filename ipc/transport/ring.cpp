#include "ipc/transport/ring.hpp"

#include <ipc/error.hpp>

namespace ipc::transport {

void fail_corrupt_ring() {
  throw EncodingError(
      "The peer's ring indices are impossible: its memory is damaged, or it means harm. The connection cannot be used any more.");
}

}  // namespace ipc::transport
