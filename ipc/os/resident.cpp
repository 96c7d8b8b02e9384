#include "ipc/os/resident.hpp"

#include <fcntl.h>
#include <unistd.h>
#include <array>
#include <cstdlib>
#include <string>

#include <ipc/fd.hpp>

namespace ipc::os {

std::size_t resident_bytes(pid_t pid) {
  const Fd file(::open(("/proc/" + std::to_string(pid) + "/statm").c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return 0;
  std::array<char, 128> text{};
  if (::read(file.get(), text.data(), text.size() - 1) <= 0) return 0;
  // "size resident shared…", in pages.
  char* rest = nullptr;
  std::strtoul(text.data(), &rest, 10);
  static const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return std::strtoul(rest, nullptr, 10) * page;
}

}  // namespace ipc::os
