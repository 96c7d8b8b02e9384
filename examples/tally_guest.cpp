// The other half of tally_host.cpp: brings a number.

#include <cstdlib>
#include <iostream>
#include <ipc/ipc.hpp>
#include <string>

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  if (argc != 3) {
    std::cerr << "usage: tally_guest NAME NUMBER\n";
    return 2;
  }
  const std::string name = argv[1];
  const auto total = ipc::Value<long>::open_or_create(name + ".total");
  const auto arrived = ipc::Semaphore::open_or_create(name + ".arrived", 0);

  total.fetch_add(std::atol(argv[2]));
  arrived.release();
}
