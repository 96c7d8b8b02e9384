// Tasks that hang, and tasks that kill their worker: a time limit ends the former, retries get over the latter.

#include <chrono>
#include <csignal>
#include <iostream>
#include <thread>
#include <vector>

#include <ipc/ipc.hpp>

using namespace std::chrono_literals;

namespace {

/// Every third number crashes at the first attempt; number 7 never ends.
int fragile(const ipc::Array<int>& attempts, int x) {
  attempts.set(x, attempts.get(x) + 1);
  if (x % 3 == 0 && attempts.get(x) == 1) std::raise(SIGKILL);
  while (x == 7) std::this_thread::sleep_for(1h);
  return x * x;
}

}  // namespace

int main(int argc, char** argv) {
  ipc::init(argc, argv);
  ipc::Pool pool(2);
  ipc::Array<int> attempts(10);
  std::vector<ipc::AsyncResult<int>> results;
  for (int x = 0; x < 10; ++x) {
    // The one that we do not trust gets less time.
    const auto limit = x == 7 ? 500ms : 60'000ms;
    results.push_back(pool.apply_async({.timeout = limit, .retries = 1, .priority = -x}, fragile, attempts, x));
  }
  results[8].cancel();
  const auto [done, not_done] = ipc::wait(results);
  for (const std::size_t i : done) {
    std::cout << i << ": ";
    try {
      std::cout << results[i].get();
    } catch (const ipc::TaskTimeout&) {
      std::cout << "took too long";
    } catch (const ipc::Cancelled&) {
      std::cout << "was cancelled";
    }
    std::cout << ", attempts: " << attempts.get(static_cast<std::ptrdiff_t>(i)) << '\n';
  }
}
