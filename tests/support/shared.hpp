#pragma once

#include <array>
#include <atomic>
#include <memory>

#include "ipc/shm/object.hpp"

namespace ipc::test {

/// A few counters that a test's processes share.
struct Counters {
  static constexpr shm::Kind kind = shm::Kind::data;
  static constexpr std::uint32_t mutexes = 0;
  std::atomic<std::int64_t>& operator[](std::size_t index) { return at[index]; }
  std::array<std::atomic<std::int64_t>, 512> at{};
};
inline std::shared_ptr<Counters> make_counters() { return shm::make_object<Counters>(); }

}  // namespace ipc::test
