#include <ipc/detail/connection_core.hpp>

#include <ipc/detail/reader.hpp>
#include <ipc/error.hpp>

#include "ipc/transport/pipe.hpp"

namespace ipc::detail {

std::unique_ptr<ConnectionCore> decode_connection(Reader& reader) {
  switch (reader.raw<CoreKind>()) {
    case CoreKind::pipe:
      return transport::decode_pipe_end(reader);
    case CoreKind::socket:
      break;
  }
  throw EncodingError("A message was decoded as a connection, but has none.");
}

}  // namespace ipc::detail
