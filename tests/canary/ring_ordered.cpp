// The ring as it is: ThreadSanitizer must not report it, or the reports of its weakened copies would prove nothing.
#include "tests/canary/ring.hpp"

int main(int argc, char**) { return pass_messages<ipc::transport::RingOrders>(63 + static_cast<std::size_t>(argc)); }
