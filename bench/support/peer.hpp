#pragma once

#include <sys/types.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace ipc::bench {

/// A CPython program from bench/peers/ which measures on request and sleeps in between, so that its turns stand between
/// ours and what it has set up stays warm. One thread. A peer that fails ends the benchmark with its message.
class Peer {
 public:
  /// Starts `interpreter bench/peers/<script>`.
  Peer(const std::string& interpreter, const std::string& script);
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer();

  /// "CPython 3.11.2"
  const std::string& name() const noexcept { return name_; }
  /// Has the script's function `what` run `count` times; seconds each.
  double seconds(const std::string& what, int count);

 private:
  std::string ask(const std::string& request);

  pid_t pid_ = -1;
  std::FILE* requests_ = nullptr;
  std::FILE* answers_ = nullptr;
  std::string name_;
};

/// One peer for each interpreter: those of the environment variable IPC_BENCH_PYTHONS (separated by colons), or /usr/bin/python3.
std::vector<std::unique_ptr<Peer>> cpython_peers(const std::string& script);

}  // namespace ipc::bench
