// Pi from random points: an endless stream of batches through imap_unordered, until the estimate is good enough.

#include <cmath>
#include <cstdint>
#include <iostream>
#include <iterator>
#include <random>

#include <ipc/ipc.hpp>

namespace {

constexpr int points = 20'000;

/// How many of the points fall into the quarter circle.
int inside(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> coordinate(0, 1);
  int hits = 0;
  for (int i = 0; i < points; ++i) {
    const double x = coordinate(random);
    const double y = coordinate(random);
    hits += x * x + y * y < 1 ? 1 : 0;
  }
  return hits;
}

/// 0, 1, 2… without an end.
struct Seeds {
  struct iterator {
    using iterator_category = std::input_iterator_tag;
    using value_type = std::uint32_t;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::uint32_t*;
    using reference = std::uint32_t;
    std::uint32_t at = 0;
    std::uint32_t operator*() const { return at; }
    iterator& operator++() {
      ++at;
      return *this;
    }
    void operator++(int) { ++at; }
    bool operator==(const iterator&) const { return false; }
  };
  iterator begin() const { return {}; }
  iterator end() const { return {}; }
};

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  ipc::Pool pool;
  double hits = 0;
  double total = 0;
  // The pool pulls seeds only as fast as results are taken; leaving the loop gives up what is still under way.
  for (const int count : pool.imap_unordered(inside, Seeds())) {
    hits += count;
    total += points;
    const double share = hits / total;
    const double error = 4 * std::sqrt(share * (1 - share) / total);
    if (total > 10 * points && error < 1e-3) break;
  }
  const double pi = 4 * hits / total;
  std::cout << "pi is about " << pi << '\n' << (std::abs(pi - 3.14159265) < 0.01 ? "close enough" : "far off") << '\n';
}
