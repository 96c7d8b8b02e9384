// Memory that a C++ program and a Python program share: no copies, no conversion, one name.

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <ipc/ipc.hpp>
#include <span>
#include <string>

// Python has the same two classes in multiprocessing.shared_memory. (Before 3.13 a Python that only attaches takes the name
// away when it exits, unless its resource tracker is told not to care.)
const std::string script = R"(
import sys
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory, ShareableList

samples = SharedMemory(name=sys.argv[1])
settings = ShareableList(name=sys.argv[2])
if sys.version_info < (3, 13):
    for memory in (samples, settings.shm):
        resource_tracker.unregister(memory._name, "shared_memory")

numbers = samples.buf.cast("q")
print("Python sees", settings[0], "with", len(numbers), "numbers", flush=True)
settings[2] = sum(numbers)
settings[3] = "summed up"
numbers[0] = 1000
numbers.release()
samples.close()
settings.shm.close()
)";

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const auto samples = ipc::SharedMemory::create(100 * sizeof(std::int64_t));
  const std::span numbers(reinterpret_cast<std::int64_t*>(samples.buf().data()), 100);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<std::int64_t>(i);

  // Room is what the first items need: a text as long as any that may follow.
  const ipc::ShareableList settings{"Grüße aus C++", 2.5, nullptr, "not done yet"};

  const char* python = std::getenv("PYTHON");
  const std::string command =
      std::string(python != nullptr ? python : "python3") + " -c '" + script + "' " + samples.name() + " " + settings.name();
  std::cout << std::flush;
  if (std::system(command.c_str()) != 0) {
    std::cerr << "Python could not be run.\n";
    return 1;
  }
  std::cout << "C++ sees " << settings.get<std::int64_t>(2) << ", " << settings.get<std::string>(3) << ", and " << numbers[0] << "\n";
}  // Whoever made the memory takes its name away.
