// Several producers and several consumers around one queue. The producers are joined before anything is taken out: items are in
// the queue when `put` returns, and nobody waits for anybody to flush them.

#include <iostream>
#include <ipc/ipc.hpp>
#include <list>
#include <utility>

using Reading = std::pair<int, double>;  // Which sensor, and what it measured.

void produce(const ipc::Queue<Reading>& queue, int sensor) {
  for (int i = 0; i < 1000; ++i) queue.put({sensor, sensor + i * 0.001});
}

void consume(const ipc::Queue<Reading>& queue, const ipc::Array<double>& sums) {
  for (const auto& [sensor, value] : queue)  // Until the queue is shut down and empty.
    sums.lock()[static_cast<std::size_t>(sensor)] += value;
}

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const ipc::Queue<Reading> queue;
  const ipc::Array<double> sums(3);

  std::list<ipc::Process> producers;
  for (int sensor = 0; sensor < 3; ++sensor) producers.emplace_back(produce, queue, sensor).start();
  for (ipc::Process& producer : producers) producer.join();
  std::cout << queue.qsize() << " readings are in the queue\n";
  queue.shutdown();

  {
    std::list<ipc::Process> consumers;
    for (int i = 0; i < 4; ++i) consumers.emplace_back(consume, queue, sums).start();
  }  // The destructors wait for them.

  for (int sensor = 0; sensor < 3; ++sensor) std::cout << "sensor " << sensor << ": " << sums.get(sensor) / 1000 << " on average\n";
}
