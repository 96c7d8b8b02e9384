// A function of this program runs in a process of its own: the least that there is to know about processes.

#include <iostream>
#include <ipc/ipc.hpp>
#include <string>

// What the new process runs. The value becomes its exit code.
int greet(const std::string& name, int times) {
  for (int i = 0; i < times; ++i) std::cout << "Hello, " << name << ", from " << ipc::current_process().name() << "\n";
  return times;
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  ipc::Process process(greet, "world", 2);  // Nothing runs yet.
  process.start();
  process.join();  // The destructor would wait as well.
  std::cout << process.name() << " ended with exit code " << process.exitcode().value() << "\n";

  // A child has its own copy of everything: what it changes is not seen here.
  int number = 1;
  ipc::Process counter({.name = "counter"}, [&number] { number = 1000; });
  counter.start();
  counter.join();
  std::cout << ipc::current_process().name() << " still has " << number << "\n";
}
