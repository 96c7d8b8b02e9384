#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace ipc::os {

/// The return addresses on the calling thread's stack, the innermost first; returns how many. Also while an exception is
/// being thrown.
std::size_t backtrace(std::span<void*> frames) noexcept;

struct Symbol {
  std::string function;  ///< Mangled; empty where the module was stripped.
  std::string module;    ///< Its file; empty for one that is not loaded here.
};

/// What lies so far into the module with this id (Module::id). Reads the module's symbol table from its file at the first
/// use; one that cannot be read has no names. Any thread.
Symbol symbol_at(std::uint64_t module, std::uint64_t offset);

}  // namespace ipc::os
