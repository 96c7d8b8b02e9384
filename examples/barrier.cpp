// Processes that work in steps: nobody begins a step before all have finished the one before.

#include <chrono>
#include <iostream>
#include <ipc/ipc.hpp>
#include <list>
#include <thread>

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  constexpr int workers = 3;
  const ipc::Array<int> done(workers);
  // The action is run by the last to arrive, before the others go on.
  const ipc::Barrier step(workers, [=] {
    std::cout << "finished:";
    for (const int count : done.lock()) std::cout << " " << count;
    std::cout << std::endl;
  });

  std::list<ipc::Process> processes;
  for (int i = 0; i < workers; ++i) {
    processes.emplace_back([=] {
      for (int round = 0; round < 3; ++round) {
        done.set(i, done.get(i) + 1);
        step.wait();
      }
    });
    processes.back().start();
  }
  for (ipc::Process& process : processes) process.join();

  // A barrier does not wait for the dead: who is killed while it waits breaks it for the others.
  const ipc::Barrier two(2);
  ipc::Process victim([=] { two.wait(); });
  victim.start();
  while (two.n_waiting() == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  victim.kill();
  victim.join();
  try {
    two.wait();
  } catch (const ipc::BrokenBarrier&) {
    std::cout << "the other one died: the barrier is broken\n";
  }
}
