#include "ipc/manager/parcel.hpp"

#include <cstdint>
#include <utility>

#include <ipc/detail/callable.hpp>

#include "ipc/manager/remote_store.hpp"

namespace ipc::manager {

using detail::Reader;
using detail::Writer;

void Parcel::ipc_encode(Writer& writer) const {
  writer.raw(server);
  writer.raw(static_cast<std::uint32_t>(references.size()));
  for (const auto& reference : references) {
    writer.raw(reference->id());
    reference->store().encode(reference->id(), writer);
  }
  writer.raw(static_cast<std::uint32_t>(content.fds.size()));
  for (const Fd& fd : content.fds) writer.fd(fd.duplicate());
  writer.raw(std::uint64_t{content.bytes.size()});
  writer.bytes(content.bytes.data(), content.bytes.size());
}

Parcel Parcel::ipc_decode(Reader& reader) {
  Parcel parcel;
  parcel.server = reader.raw<detail::ServerId>();
  for (auto left = reader.raw<std::uint32_t>(); left != 0; --left) {
    const auto id = reader.raw<detail::ObjectId>();
    parcel.references.push_back(RemoteStore::decode(parcel.server, id, reader));
  }
  for (auto left = reader.raw<std::uint32_t>(); left != 0; --left) parcel.content.fds.push_back(reader.fd());
  const std::size_t size = reader.count(1);
  const std::byte* begin = reader.take(size);
  parcel.content.bytes.assign(begin, begin + size);
  return parcel;
}

Parcel run_parcel(Parcel task) {
  const detail::GrantedProxies granted(task.server, std::move(task.references));
  Reader in(task.content);
  Writer out;
  // What the call itself sends to others goes on a journey as ever.
  detail::NotedProxies noted(task.server, &out);
  detail::run_call(in, out);
  return {task.server, out.take(), std::move(noted.references)};
}

}  // namespace ipc::manager
