// Instead of waiting for results, say what is to happen when they come.

#include <atomic>
#include <exception>
#include <iostream>
#include <ipc/ipc.hpp>
#include <stdexcept>

int divide(int dividend, int divisor) {
  if (divisor == 0) throw std::domain_error("division by zero");
  return dividend / divisor;
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  // Callbacks run in this process, in whichever of its threads takes the result in: what they share has to be atomic.
  std::atomic<int> sum = 0;
  std::atomic<int> failures = 0;

  ipc::Pool pool(2);
  for (int divisor = 0; divisor <= 10; ++divisor) {
    pool.apply_async(divide, 2520, divisor)
        .on_result([&sum](int quotient) { sum += quotient; })
        .on_error([&failures](std::exception_ptr error) {
          try {
            std::rethrow_exception(error);
          } catch (const std::domain_error& reason) {
            std::cout << "a task failed: " << reason.what() << "\n";
            ++failures;
          }
        });
  }
  pool.close();
  pool.join();  // After this, all callbacks have run.
  std::cout << "the quotients add up to " << sum << ", and " << failures << " task failed\n";
}
