#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <ipc/detail/connection_core.hpp>
#include <ipc/detail/writer.hpp>
#include <ipc/fd.hpp>

namespace ipc::transport {

struct PipeEnds {
  std::unique_ptr<detail::ConnectionCore> first;
  std::unique_ptr<detail::ConnectionCore> second;
};
/// Two connected cores over rings in shared memory (`PipeConnection`). Unless `duplex`, the first can only receive and the
/// second only send. `capacity` of each ring: a power of two of at least a page.
PipeEnds make_pipe(bool duplex, std::size_t capacity);

/// Writes the second end of a duplex pipe that has such memory, as `encode` of its core would.
void encode_second_end(Fd memory, Fd socket, detail::Writer& writer);

/// What `encode` of such a core wrote, behind its first byte.
std::unique_ptr<detail::ConnectionCore> decode_pipe_end(detail::Reader& reader);

}  // namespace ipc::transport
