#include <ipc/detail/result_watch.hpp>

#include <ipc/detail/pool_request.hpp>
#include <ipc/error.hpp>

namespace ipc::detail {

WaitHook ResultWatch::hook() {
  const std::lock_guard guard(mutex_);
  if (line_ == nullptr) line_ = result_->store().watch(result_->id());
  WaitHook hook = line_->wait_hook();
  hook.object = this;
  hook.arm = [](void* watch) { return static_cast<const ResultWatch*>(watch)->ready(); };
  hook.ready = [](void* watch) { return static_cast<const ResultWatch*>(watch)->come(); };
  return hook;
}

bool ResultWatch::ready() const {
  try {
    return come() || Request(*result_, Op::status).send().in().raw<ResultStatus>().ready != 0;
  } catch (const ManagerLost&) {  // As `get` will say.
    return true;
  }
}

}  // namespace ipc::detail
