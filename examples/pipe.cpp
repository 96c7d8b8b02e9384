// Two connected ends of a pipe, one of them in another process; then several, and whoever has something to say first.
#include <iostream>
#include <string>
#include <vector>

#include <ipc/ipc.hpp>

void shout(ipc::Connection connection) {
  try {
    for (;;) connection.send(connection.recv<std::string>() + "!");
  } catch (const ipc::EndOfFile&) {
  }
}

void count(ipc::Connection to, int from) {
  for (int i = 0; i < 3; ++i) to.send(from + i);
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  auto [parent, child] = ipc::Pipe();
  // A forked child inherits this end as well; unless it closes its copy, it would wait for the end of file for ever.
  ipc::Process shouter([&parent = parent, c = std::move(child)]() mutable {
    parent.close();
    shout(std::move(c));
  });
  shouter.start();
  parent.send("hello");
  std::cout << parent.recv<std::string>() << '\n';
  parent.close();
  shouter.join();

  std::vector<ipc::Connection> readers;
  std::vector<ipc::Process> processes;
  for (int i = 1; i <= 3; ++i) {
    auto [reader, writer] = ipc::Pipe(false);
    readers.push_back(std::move(reader));
    processes.emplace_back(count, std::move(writer), 10 * i);
    processes.back().start();
  }
  int sum = 0;
  while (!readers.empty()) {
    const std::vector<ipc::Waitable> all(readers.begin(), readers.end());
    const std::vector<std::size_t> ready = ipc::wait(all);
    for (auto i = ready.rbegin(); i != ready.rend(); ++i) {
      try {
        sum += readers[*i].recv<int>();
      } catch (const ipc::EndOfFile&) {
        readers.erase(readers.begin() + static_cast<std::ptrdiff_t>(*i));
      }
    }
  }
  std::cout << "sum: " << sum << '\n';
}
