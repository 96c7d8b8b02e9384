#pragma once

#include <csignal>

#include "ipc/base/kill_point.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

namespace ipc::test {

/// Runs `body` in a process that is killed when it passes the kill point, which is required.
template <class Body>
void die_at(const char* point, Body body) {
  ForkedChild child([&] {
    base::arm_kill_point(point);
    body();
  });
  REQUIRE(child.wait() == -SIGKILL);
}

}  // namespace ipc::test
