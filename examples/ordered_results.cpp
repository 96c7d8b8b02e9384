// The tasks end in any order; the results are collected in the order in which the tasks were given.

#include <iostream>
#include <ipc/ipc.hpp>
#include <stdexcept>
#include <string>
#include <vector>

std::string spell(int number) {
  static const std::vector<std::string> words = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
  if (number < 0) throw std::invalid_argument("no word for " + std::to_string(number));
  return number < 10 ? words.at(static_cast<std::size_t>(number)) : spell(number / 10) + "-" + spell(number % 10);
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  ipc::Pool pool(4);

  std::vector<ipc::AsyncResult<std::string>> results;
  for (const int number : {1970, 42, -7, 2024}) results.push_back(pool.apply_async(spell, number));

  for (const ipc::AsyncResult<std::string>& result : results) {
    try {
      std::cout << result.get() << "\n";  // Waits for this one.
    } catch (const std::invalid_argument& error) {
      // Thrown in a worker, caught here: the same type as there, for this task alone.
      std::cout << "failed: " << error.what() << "\n";
    }
  }

  // The same in one line where all tasks are known at once:
  for (const std::string& word : pool.map(spell, std::vector<int>{3, 2, 1})) std::cout << word << "\n";
}
