// Counters that forked children share: the lock in a Value makes every addition count.

#include <iostream>
#include <ipc/ipc.hpp>
#include <list>

int main(int argc, char** argv) {
  ipc::init(argc, argv);

  const ipc::Value<long> total(0);
  const ipc::Array<int> per_child(4);

  {
    std::list<ipc::Process> children;
    for (int i = 0; i < 4; ++i) {
      children.emplace_back([=] {
        for (int n = 0; n < 10'000; ++n) {
          total.update([](long& x) { ++x; });  // Reads and writes under one lock; fetch_add would do without.
          per_child.set(i, per_child.get(i) + 1);
        }
      });
      children.back().start();
    }
  }  // The destructors wait for the children.

  std::cout << "all children: " << total.get() << "\n";
  for (const int count : per_child.lock()) std::cout << "one child: " << count << "\n";
}
