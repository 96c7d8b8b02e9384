// Many tasks for a pool of processes, none of which the main process waits for before the end.

#include <iostream>
#include <ipc/ipc.hpp>
#include <vector>

// How many steps the Collatz sequence takes from `n` to 1.
int collatz_steps(long n) {
  int steps = 0;
  for (; n != 1; ++steps) n = n % 2 == 0 ? n / 2 : 3 * n + 1;
  return steps;
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  ipc::Pool pool(4);
  std::vector<ipc::AsyncResult<int>> results;
  for (long n = 1; n <= 1000; ++n) results.push_back(pool.apply_async(collatz_steps, n));

  pool.close();  // No more tasks will come...
  pool.join();   // ...and all that came are done, in whatever order.

  int done = 0;
  int most = 0;
  for (const ipc::AsyncResult<int>& result : results) {
    if (result.ready() && result.successful()) ++done;
    if (result.get() > most) most = result.get();
  }
  std::cout << done << " of " << results.size() << " tasks are done, the longest sequence took " << most << " steps\n";
}
