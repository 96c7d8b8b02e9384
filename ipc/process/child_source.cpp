#include "ipc/process/child_source.hpp"

#include <utility>

#include "ipc/process/birth.hpp"
#include "ipc/process/fork_server.hpp"
#include "ipc/process/nursery.hpp"
#include "ipc/process/spawned.hpp"

namespace ipc::process {
namespace {

class ForkSource final : public ChildSource {
 public:
  ForkSource(const std::function<int(detail::Message&)>& entry, std::string name) : nursery_(entry, std::move(name)) {}
  Child launch(const std::string& child_name, detail::Message&& request) override { return nursery_.launch(child_name, request); }
  int pidfd() const override { return nursery_.pidfd(); }

 private:
  Nursery nursery_;
};

class SpawnSource final : public ChildSource {
 public:
  explicit SpawnSource(detail::Token entry) : entry_(entry) { require_init(); }
  Child launch(const std::string& child_name, detail::Message&& request) override {
    return spawn_child(worker_birth(child_name, tight_leash()), entry_, request.bytes, request.fds);
  }
  int pidfd() const override { return -1; }

 private:
  detail::Token entry_;
};

class ForkServerSource final : public ChildSource {
 public:
  explicit ForkServerSource(detail::Token entry) : entry_(entry) { require_init(); }
  Child launch(const std::string& child_name, detail::Message&& request) override {
    // Its leash is the server's main thread, and the server leaves when this process dies.
    return fork_server_child(worker_birth(child_name, Leash::kernel), entry_, request.bytes, request.fds);
  }
  int pidfd() const override { return -1; }  // A killed server is replaced.

 private:
  detail::Token entry_;
};

}  // namespace

std::unique_ptr<ChildSource> make_child_source(StartMethod method, const std::function<int(detail::Message&)>& entry_for_fork,
                                               detail::Token entry_token, std::string name) {
  switch (method) {
    case StartMethod::fork:
      break;
    case StartMethod::spawn:
      return std::make_unique<SpawnSource>(entry_token);
    case StartMethod::forkserver:
      return std::make_unique<ForkServerSource>(entry_token);
  }
  return std::make_unique<ForkSource>(entry_for_fork, std::move(name));
}

}  // namespace ipc::process
