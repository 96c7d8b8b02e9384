// Two programs that are not related meet by a name: this one waits for a number of guests (tally_guest.cpp) and says what
// they brought. Either may be started first.
//
//     tally_host NAME GUESTS        tally_guest NAME NUMBER

#include <cstdlib>
#include <iostream>
#include <ipc/ipc.hpp>
#include <string>

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  if (argc != 3) {
    std::cerr << "usage: tally_host NAME GUESTS\n";
    return 2;
  }
  const std::string name = argv[1];
  const int guests = std::atoi(argv[2]);

  // Made by whoever comes first; had it been made by a host that was killed, it would be made anew.
  const auto total = ipc::Value<long>::open_or_create(name + ".total");
  const auto arrived = ipc::Semaphore::open_or_create(name + ".arrived", 0);

  for (int i = 0; i < guests; ++i) arrived.acquire();
  std::cout << guests << " guests brought " << total.get() << "\n";

  // Names stay until somebody takes them away.
  ipc::unlink(name + ".total");
  ipc::unlink(name + ".arrived");
}
