#include "ipc/os/pipe.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>

#include "ipc/os/check.hpp"

namespace ipc::os {

std::pair<Fd, Fd> make_pipe() {
  std::array<int, 2> ends{};
  check("pipe2", [&] { return ::pipe2(ends.data(), O_CLOEXEC); });
  return {Fd(ends[0]), Fd(ends[1])};
}

std::size_t read_full(int fd, std::span<std::byte> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const auto count = check("read", [&] { return ::read(fd, out.data() + done, out.size() - done); });
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

void write_full(int fd, std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const auto count = check("write", [&] { return ::write(fd, bytes.data(), bytes.size()); });
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

}  // namespace ipc::os
