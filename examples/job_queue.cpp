// Jobs that make jobs: the main process waits until all are done, though it cannot know how many there will be.

#include <iostream>
#include <ipc/ipc.hpp>
#include <list>
#include <utility>

using Range = std::pair<long, long>;

bool is_prime(long n) {
  for (long d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return n > 1;
}

void work(const ipc::JoinableQueue<Range>& jobs, const ipc::Value<int>& primes) {
  for (const auto& [begin, end] : jobs) {
    if (end - begin > 500) {  // Too large for one: two jobs instead.
      const long middle = (begin + end) / 2;
      jobs.put({begin, middle});
      jobs.put({middle, end});
    } else {
      for (long n = begin; n < end; ++n)
        if (is_prime(n)) primes.fetch_add(1);
    }
    jobs.task_done();  // After its successors were put, so that the count never drops to zero before the end.
  }
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const ipc::JoinableQueue<Range> jobs;
  const ipc::Value<int> primes(0);
  std::list<ipc::Process> workers;
  for (int i = 0; i < 3; ++i) workers.emplace_back(work, jobs, primes).start();

  jobs.put({0, 50'000});
  jobs.join();  // Everything that was put is done. A worker that was killed would not keep us waiting.
  std::cout << primes.get() << " primes below 50000\n";

  jobs.shutdown();
  for (ipc::Process& worker : workers) worker.join();
}
