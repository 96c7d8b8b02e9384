#pragma once

namespace ipc::detail {

/// How `ipc::wait` looks at an object. `arm` returns true when the object is ready already; otherwise `fd` becomes readable
/// when it may be, until `disarm`. `ready` looks again after that: a descriptor may become readable for nothing.
/// `glance` only looks, without asking for anything: true means that `arm` will say so, too.
/// A plain descriptor has only `fd`, and is ready when that is readable. The object outlives the hook; one thread at a time.
struct WaitHook {
  int fd = -1;
  void* object = nullptr;
  bool (*arm)(void* object) = nullptr;
  void (*disarm)(void* object) noexcept = nullptr;
  bool (*ready)(void* object) = nullptr;
  bool (*glance)(void* object) = nullptr;
};

}  // namespace ipc::detail
