// A manager's dict, list and lock from a client process, beside CPython's.

#include <ipc/ipc.hpp>
#include <string>
#include <vector>

#include "bench/support/peer.hpp"
#include "bench/support/table.hpp"

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  using ipc::bench::Contender;
  using ipc::bench::time_each;
  const auto peers = ipc::bench::cpython_peers("manager.py");
  ipc::bench::Table table("manager");

  const ipc::Manager manager;
  const ipc::Manager remote({.address = "tcp://127.0.0.1:0", .authkey = "key"});
  const auto dict = manager.dict<std::string, int>({{"key", 1}});
  const auto list = manager.list<int>({1, 2, 3});
  const auto lock = manager.Lock();
  const auto far = remote.dict<std::string, int>({{"key", 1}});

  const auto row = [&](const std::string& what, const std::string& function, double wanted, int count, const std::function<void()>& ours) {
    std::vector<Contender> contenders{{"ipc", [&] { return time_each(count, ours); }}};
    for (const auto& peer : peers) contenders.push_back({peer->name(), [&] { return peer->seconds(function, count / 10 + 1); }, wanted});
    table.row(what, contenders);
  };
  row("dict get", "dict_get", 15, 5000, [&] { dict.get("key"); });
  row("dict set", "dict_set", 15, 5000, [&] { dict.set("key", 2); });
  row("list get", "list_get", 15, 5000, [&] { list.get(1); });
  row("lock and unlock", "lock_unlock", 15, 2500, [&] {
    lock.lock();
    lock.unlock();
  });
  row("a new list and its end", "new_list", 100, 1000, [&] { manager.list<int>(); });
  row("dict get, TCP", "dict_get_tcp", 0, 5000, [&] { far.get("key"); });
}
