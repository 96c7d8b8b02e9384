// Overflows a signed integer: UndefinedBehaviorSanitizer has to end this program.
#include <cstdio>
#include <limits>

int main(int argc, char**) {
  const int overflown = std::numeric_limits<int>::max() + argc;
  std::printf("nobody noticed: %d\n", overflown);
}
