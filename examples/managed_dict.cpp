// A dict and a list that live in a manager's server, used by four children and their parent.

#include <iostream>
#include <ipc/ipc.hpp>
#include <list>
#include <string>
#include <vector>

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const ipc::Manager manager;
  const auto counts = manager.dict<std::string, int>({{"even", 0}, {"odd", 0}});
  const auto squares = manager.list<int>();

  {
    std::list<ipc::Process> children;
    for (int child = 0; child < 4; ++child) {
      children.emplace_back([=] {
        for (int n = child; n < 20; n += 4) {
          counts.update(n % 2 == 0 ? "even" : "odd", [](int& count) { ++count; });  // On the server, in one step.
          squares.append(n * n);
        }
      });
      children.back().start();
    }
  }  // The destructors wait for the children.

  for (const auto& [key, count] : counts.to_map()) std::cout << key << ": " << count << "\n";
  squares.sort();
  std::cout << squares.size() << " squares, from " << squares[0] << " to " << squares[-1] << "\n";

  // Lists in a dict: what is changed through one proxy is changed for all.
  const auto teams = manager.dict<std::string, ipc::ListProxy<std::string>>();
  teams["red"] = manager.list<std::string>({"Ann"});
  ipc::Process joiner([=] { teams.get("red").append("Bob"); });
  joiner.start();
  joiner.join();
  for (const std::string& name : teams.get("red").to_vector()) std::cout << name << "\n";
}
