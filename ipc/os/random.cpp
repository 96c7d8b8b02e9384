#include "ipc/os/random.hpp"

#include <sys/random.h>

#include "ipc/os/check.hpp"

namespace ipc::os {

void fill_random(std::span<std::byte> bytes) {
  while (!bytes.empty()) {
    const auto got = check("getrandom", [&] { return ::getrandom(bytes.data(), bytes.size(), 0); });
    bytes = bytes.subspan(static_cast<std::size_t>(got));
  }
}

}  // namespace ipc::os
