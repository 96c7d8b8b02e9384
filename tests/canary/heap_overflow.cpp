// Writes one element past a block of the heap: AddressSanitizer has to end this program.
#include <cstdio>
#include <cstdlib>
#include <vector>

int main(int argc, char**) {
  std::vector<int> numbers(8);
  int* const first = numbers.data();
  first[7 + argc] = 1;  // argc keeps the compiler from seeing it
  std::puts("nobody noticed");
}
