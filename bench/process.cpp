// What a process costs: start() and join() of one that does nothing, by each start method, beside CPython and beside the
// kernel's own price for it.
#include <sys/wait.h>
#include <unistd.h>

#include <ipc/main.hpp>
#include <ipc/process.hpp>

#include "bench/support/peer.hpp"
#include "bench/support/table.hpp"

namespace {

void nothing() {}

double start_and_join(ipc::StartMethod method, int count) {
  return ipc::bench::time_each(count, [method] {
    ipc::Process process({.start_method = method}, nothing);
    process.start();
    process.join();
  });
}

void fork_and_wait() {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(0);
  ::waitpid(pid, nullptr, 0);
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  using ipc::bench::Contender;
  const auto peers = ipc::bench::cpython_peers("process.py");
  ipc::bench::Table table("process");

  std::vector<Contender> fork{{"ipc", [] { return start_and_join(ipc::StartMethod::fork, 200); }},
                              {"fork, waitpid", [] { return ipc::bench::time_each(200, fork_and_wait); }, 0.5}};
  std::vector<Contender> spawn{{"ipc", [] { return start_and_join(ipc::StartMethod::spawn, 30); }}};
  std::vector<Contender> forkserver{{"ipc", [] { return start_and_join(ipc::StartMethod::forkserver, 100); }}};
  for (const auto& peer : peers) {
    fork.push_back({peer->name(), [&peer] { return peer->seconds("fork", 100); }, 4});
    spawn.push_back({peer->name(), [&peer] { return peer->seconds("spawn", 3); }, 15});
    forkserver.push_back({peer->name(), [&peer] { return peer->seconds("forkserver", 20); }});
  }
  table.row("start and join, fork", fork);
  table.row("start and join, spawn", spawn);
  table.row("start and join, forkserver", forkserver);
}
