// Two threads write a word of shared memory without any order between them: ThreadSanitizer has to report it. It sees races
// through one mapping only, which is why the suites of shared structures also run over threads of one process.
#include <sys/mman.h>

#include <cstdio>
#include <thread>

int main() {
  void* const memory = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  int* const word = static_cast<int*>(memory);
  const auto count = [word] {
    for (int i = 0; i < 100'000; ++i) ++*word;
  };
  std::thread other(count);
  count();
  other.join();
  std::printf("nobody noticed: %d\n", *word);
}
