// A ring whose consumer frees bytes without releasing them to the producer: ThreadSanitizer has to report it.
#include "tests/canary/ring.hpp"

struct Weak : ipc::transport::RingOrders {
  static constexpr auto free = std::memory_order_relaxed;
};

int main(int argc, char**) { return pass_messages<Weak>(63 + static_cast<std::size_t>(argc)); }
