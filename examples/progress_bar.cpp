// Results as they come, whichever is first, and a bar on the terminal that shows how far the work is.

#include <algorithm>
#include <cstdint>
#include <iostream>
#include <ipc/ipc.hpp>
#include <numeric>
#include <vector>

struct Count {
  std::uint32_t block;
  std::uint32_t primes;
};

// How many primes there are among the thousand numbers from 1000 * block.
Count count_primes(std::uint32_t block) {
  Count count{block, 0};
  for (std::uint32_t n = std::max(1000 * block, 2U); n < 1000 * (block + 1); ++n) {
    std::uint32_t divisor = 2;
    while (divisor * divisor <= n && n % divisor != 0) ++divisor;
    if (divisor * divisor > n) ++count.primes;
  }
  return count;
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  std::vector<std::uint32_t> blocks(500);
  std::iota(blocks.begin(), blocks.end(), 0U);

  ipc::Pool pool;  // As many workers as there are processors.
  std::uint32_t primes = 0;
  Count richest{};
  for (const Count count : pool.imap_unordered(count_primes, blocks, {.progress = "primes"})) {
    primes += count.primes;
    if (count.primes > richest.primes) richest = count;
  }
  std::cout << primes << " primes below 500000, the most (" << richest.primes << ") in block " << richest.block << "\n";
}
