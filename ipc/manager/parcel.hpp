#pragma once

#include <ipc/detail/message.hpp>
#include <ipc/detail/reference.hpp>

namespace ipc::manager {

/// A task or its result on its way between a pool's keeper and a worker, neither of which is the server: bytes, descriptors,
/// and the objects whose proxies are in them, to which whoever has the parcel has references.
struct Parcel {
  detail::ServerId server{};
  detail::Message content;
  detail::References references;

  void ipc_encode(detail::Writer& writer) const;
  static Parcel ipc_decode(detail::Reader& reader);
};

/// In the worker: runs the call that the parcel is, and packs what it returns.
Parcel run_parcel(Parcel task);

}  // namespace ipc::manager
