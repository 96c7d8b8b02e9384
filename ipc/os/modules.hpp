#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ipc::os {

/// Addresses that hold code, as offsets from the module's base.
struct CodeRange {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// The program, or a shared library, as it is loaded in this process.
struct Module {
  /// First 8 bytes of the GNU build-id, or a hash of the code of a module that was linked without one. Never 0.
  std::uint64_t id = 0;
  std::uintptr_t base = 0;  ///< What the loader added to the addresses in the file.
  std::vector<CodeRange> code;
  std::string path;  ///< Empty for the program itself.
};

/// Everything that is loaded, the program first. Any thread; takes the loader's lock.
std::vector<Module> loaded_modules();

}  // namespace ipc::os
