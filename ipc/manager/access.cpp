#include "ipc/manager/access.hpp"

#include <array>
#include <cstdint>

#include <ipc/bytes.hpp>
#include <ipc/detail/codec.hpp>

namespace ipc::manager {

void encode_access(detail::Writer& writer, const Access& access) {
  detail::encode(writer, access.address);
  writer.raw(static_cast<std::uint8_t>(access.key.has_value()));
  if (access.key) detail::encode(writer, access.key->bytes());
  const TlsOptions& tls = access.tls;
  for (const std::string* text : {&tls.cert, &tls.key, &tls.ca, &tls.host}) detail::encode(writer, *text);
  writer.raw(access.host_timeout);
}

Access decode_access(detail::Reader& reader) {
  Access access;
  access.address = detail::decode<std::string>(reader);
  if (detail::decode<bool>(reader)) access.key.emplace(detail::decode<Bytes>(reader));
  TlsOptions& tls = access.tls;
  for (std::string* text : {&tls.cert, &tls.key, &tls.ca, &tls.host}) *text = detail::decode<std::string>(reader);
  access.host_timeout = reader.raw<std::chrono::nanoseconds>();
  return access;
}

}  // namespace ipc::manager
