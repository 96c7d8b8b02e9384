// A ring whose consumer does not acquire what the producer released: ThreadSanitizer has to report it. (x86 would not show it.)
#include "tests/canary/ring.hpp"

struct Weak : ipc::transport::RingOrders {
  static constexpr auto observe = std::memory_order_relaxed;
};

int main(int argc, char**) { return pass_messages<Weak>(63 + static_cast<std::size_t>(argc)); }
