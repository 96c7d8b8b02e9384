#include <ipc/detail/connection_core.hpp>

#include <ipc/detail/reader.hpp>
#include <ipc/error.hpp>

#include "ipc/transport/pipe.hpp"
#include "ipc/transport/socket_connection.hpp"

namespace ipc::detail {

std::unique_ptr<ConnectionCore> decode_connection(Reader& reader) {
  switch (reader.raw<CoreKind>()) {
    case CoreKind::pipe:
      return transport::decode_pipe_end(reader);
    case CoreKind::socket:
      return transport::decode_socket_connection(reader);
  }
  throw EncodingError("A message was decoded as a connection, but has none.");
}

}  // namespace ipc::detail
