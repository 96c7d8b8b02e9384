// What callbacks hold, and pools that end in callbacks of their own.

#include <ipc/pool.hpp>

#include <unistd.h>
#include <cstdlib>
#include <future>
#include <memory>
#include <thread>

#include "tests/pool/tasks.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fork_child.hpp"

using ipc::Pool;
using namespace ipc::test;

namespace {

/// Uses its pool once more as it goes.
struct Visitor {
  explicit Visitor(const Pool& visited) : pool(&visited) {}
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  ~Visitor() { pool->stats(); }
  const Pool* pool;
};

}  // namespace

TEST_CASE("pool callbacks: what they hold may use the pool as it goes") {
  Pool pool(1);
  for (int i = 0; i < 20; ++i) {
    auto waited_for = pool.apply_async(square, i);
    waited_for.on_result([visitor = std::make_shared<Visitor>(pool)](int) {});
    CHECK(waited_for.get() == i * i);
    const auto visitor = std::make_shared<Visitor>(pool);
    pool.apply_async(square, i).on_result([visitor](int) {});
    while (visitor.use_count() != 1) std::this_thread::yield();
  }
}

TEST_CASE("pool callbacks: they may hold the last handle of their pool") {
  for (const bool waiting : {true, false}) {
    auto pool = std::make_shared<Pool>(1);
    const std::weak_ptr watched = pool;
    {
      auto result = pool->apply_async(square, 3);
      result.on_result([pool](int) {});
      pool.reset();
      if (waiting) CHECK(result.get() == 9);
    }
    while (!watched.expired()) std::this_thread::yield();
  }
}

TEST_CASE("pool callbacks: a pool may be destroyed in one, by whichever thread runs it") {
  for (int i = 0; i < 20; ++i) {
    auto pool = std::make_unique<Pool>(1);
    std::promise<void> destroyed;
    {
      auto result = pool->apply_async(square, 3);
      result.on_result([&](int) {
        pool.reset();
        destroyed.set_value();
      });
      if (i % 2 == 0) CHECK(result.get() == 9);
    }
    destroyed.get_future().wait();
    CHECK(pool == nullptr);
  }
}

TEST_CASE("pool callbacks: one may end the program") {
  ForkedChild program([] {
    static Pool pool(1);
    pool.apply_async(square, 3).on_result([](int) { std::exit(5); });
    for (;;) ::pause();
    return 0;
  });
  CHECK(program.wait() == 5);
}
