#include "bench/support/peer.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace ipc::bench {

Peer::Peer(const std::string& interpreter, const std::string& script) {
  int to_peer[2];
  int from_peer[2];
  if (::pipe2(to_peer, O_CLOEXEC) != 0 || ::pipe2(from_peer, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe2");
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, to_peer[0], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, from_peer[1], STDOUT_FILENO);
  std::string program = interpreter;
  std::string path = std::string(IPC_BENCH_PEERS) + "/" + script;
  char* arguments[] = {program.data(), path.data(), nullptr};
  const int error = ::posix_spawnp(&pid_, program.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(to_peer[0]);
  ::close(from_peer[1]);
  requests_ = ::fdopen(to_peer[1], "w");
  answers_ = ::fdopen(from_peer[0], "r");
  if (error != 0) throw std::system_error(error, std::generic_category(), "cannot run " + interpreter);
  name_ = "CPython " + ask("version 0");
}

Peer::~Peer() {
  std::fclose(requests_);  // Its end of file ends the script.
  std::fclose(answers_);
  if (pid_ > 0) ::waitpid(pid_, nullptr, 0);
}

double Peer::seconds(const std::string& what, int count) { return std::stod(ask(what + " " + std::to_string(count))); }

std::string Peer::ask(const std::string& request) {
  std::fprintf(requests_, "%s\n", request.c_str());
  std::fflush(requests_);
  char line[256];
  if (std::fgets(line, sizeof line, answers_) == nullptr) throw std::runtime_error("the peer ended at the request: " + request);
  std::string answer = line;
  answer.erase(answer.find_last_not_of('\n') + 1);
  return answer;
}

std::vector<std::unique_ptr<Peer>> cpython_peers(const std::string& script) {
  const char* listed = std::getenv("IPC_BENCH_PYTHONS");
  std::istringstream interpreters(listed != nullptr ? listed : "/usr/bin/python3");
  std::vector<std::unique_ptr<Peer>> peers;
  for (std::string interpreter; std::getline(interpreters, interpreter, ':');) {
    if (!interpreter.empty()) peers.push_back(std::make_unique<Peer>(interpreter, script));
  }
  return peers;
}

}  // namespace ipc::bench
