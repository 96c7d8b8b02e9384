#include <ipc/detail/deadline.hpp>

#include <algorithm>
#include <chrono>

#include "tests/support/catch.hpp"

using namespace std::chrono_literals;
using ipc::detail::Deadline;

TEST_CASE("Deadline: what remains is never less than nothing, also while it expires") {
  std::chrono::nanoseconds least = 1h;
  for (int i = 0; i < 200'000; ++i) {
    const auto deadline = Deadline::after(std::chrono::nanoseconds(1 + i % 200));
    least = std::min(least, deadline.remaining());
  }
  CHECK(least == 0ns);
  CHECK(Deadline::expired_already().remaining() == 0ns);
  CHECK(Deadline::never().remaining() == std::chrono::nanoseconds::max());
  CHECK(Deadline::after(1h).remaining() > 59min);
}
