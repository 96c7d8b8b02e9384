// An array in shared memory: two children sort a half each, the parent merges. Nothing is copied or sent.

#include <algorithm>
#include <iostream>
#include <ipc/ipc.hpp>
#include <random>

// A RawArray has no lock: each child has its own part of it.
void sort_part(const ipc::RawArray<double>& numbers, std::size_t begin, std::size_t end) {
  const auto part = numbers.span().subspan(begin, end - begin);
  std::sort(part.begin(), part.end());
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const ipc::RawArray<double> numbers(200'000);
  std::mt19937 random(1);
  for (double& x : numbers.span()) x = std::uniform_real_distribution<>(0, 100)(random);

  const std::size_t middle = numbers.size() / 2;
  {
    // Spawned children are new programs: they get the array as an argument, and it is the same array.
    ipc::Process left({.start_method = ipc::StartMethod::spawn}, sort_part, numbers, std::size_t{0}, middle);
    ipc::Process right(sort_part, numbers, middle, numbers.size());
    left.start();
    right.start();
  }
  const auto all = numbers.span();
  std::inplace_merge(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(middle), all.end());
  std::cout << all.size() << " numbers, " << (std::is_sorted(all.begin(), all.end()) ? "sorted" : "not sorted") << "\n";

  // With a lock that comes with the array, any algorithm runs on the guard.
  const ipc::Array<int> small{5, 3, 8, 1};
  ipc::Process sorter([=] {
    auto guard = small.lock();
    std::sort(guard.begin(), guard.end());
  });
  sorter.start();
  sorter.join();
  for (const int x : small.lock()) std::cout << x << " ";
  std::cout << "\n";
}
