// A server and its clients on one CPU.
#include <sched.h>

#include <ipc/manager.hpp>
#include <ipc/process.hpp>

#include "ipc/os/cpu.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

namespace {

/// Of the calling thread.
void stay_on(unsigned cpu) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(cpu, &one);
  ::sched_setaffinity(0, sizeof one, &one);
}

TEST_CASE("a server that finds itself on its client's CPU goes to another one, and may use all that it could before") {
  if (ipc::os::allowed_cpus() < 2) return;
  ipc::test::ForkedChild child([] {
    const ipc::Manager m;
    const int allowed = ipc::os::allowed_cpus();
    const auto server = m.object<int>();
    const auto list = m.list<int>({1});
    stay_on(ipc::os::current_cpu());
    const auto is_elsewhere = [&] {
      const unsigned there = server.call([](int&) { return ipc::os::current_cpu(); });
      return there != ipc::os::current_cpu();
    };
    ipc::test::wait_until([&] {
      for (int i = 0; i < 100; ++i) list.get(0);
      return is_elsewhere();
    });
    return server.call([](int&) { return ipc::os::allowed_cpus(); }) == allowed ? 0 : 1;
  });
  CHECK(child.wait() == 0);
}

TEST_CASE("a server and its client that may use one CPU only go on there") {
  ipc::test::ForkedChild child([] {
    stay_on(ipc::os::current_cpu());
    const ipc::Manager m;
    const auto list = m.list<int>({1});
    for (int i = 0; i < 2000; ++i) {
      if (list.get(0) != 1) return 1;
    }
    return 0;
  });
  CHECK(child.wait() == 0);
}

}  // namespace
